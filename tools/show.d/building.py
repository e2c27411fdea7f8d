"""Builds what a show needs, through tools/dev."""
import subprocess

from server import ROOT, require


def run(*command, quiet=True, seconds=3600, **more):
    """Runs a command of the project; its output is shown if it fails."""
    done = subprocess.run(command, cwd=ROOT, timeout=seconds, text=True,
                          stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None, **more)
    require(done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}\n{(done.stdout or '')[-3000:]}")
    return done.stdout or ""


def build(*targets, flags=("--release",)):
    run("tools/dev", "build", *flags, *targets)


def options_of(options, known):
    """{"name": value} of "--name=value", "--name value" and "--name"; `known` maps names to their defaults."""
    values, at = dict(known), 0
    while at < len(options):
        name, equals, value = options[at].removeprefix("--").partition("=")
        require(options[at].startswith("--") and name in known,
                f"unknown option {options[at]}; there are: {', '.join('--' + n for n in known)}")
        if isinstance(known[name], bool):
            require(not equals, f"--{name} takes no value")
            values[name] = True
        else:
            if not equals:
                at += 1
                require(at < len(options), f"--{name} needs a value")
                value = options[at]
            values[name] = type(known[name])(value)
        at += 1
    return values
