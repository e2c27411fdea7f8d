"""The simulator: same seed, same digest, by both compilers; ten minutes clean; every planted bug found.

    tools/show node.5 [--minutes M] [--digests-only] [--seeds N] [--no-mutants]

Runs `verity-sim --seed 7` of every scenario twice with each compiler and compares the digests: also where the kernel
does not move addresses about, and where the libraries may not use the newer instructions of the processor (and those of N further
seeds, once by each compiler). Then fresh seeds for M minutes (10), then the planted bugs through tools/dev mutants, which goes on where an earlier run stopped:
every one must be found, the no-op never.
"""
import os
import re
import subprocess

from building import build, options_of, run
from server import ROOT, require

CIRCUMSTANCES = {  # what runs the program, and its environment
    "": ((), {}),
    ", again": ((), {}),
    ", addresses fixed": (("setarch", "-R"), {}),
    ", old instructions": ((), {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS,-SSE4_2", "OPENSSL_ia32cap": ":~0x20000000"}),
}


def show(arguments):
    options = options_of(arguments, {"minutes": 10, "seeds": 5, "digests-only": False, "no-mutants": False})
    build("verity-sim")
    build("verity-sim", flags=("--release", "--clang"))
    simulators = {"g++": "build/bin/verity-sim", "clang": find("build/clang-release", "verity-sim")}
    for scenario in scenarios(simulators["g++"]):
        for seed in [7] + list(range(1000, 1000 + options["seeds"])):
            compare(simulators, scenario, seed, CIRCUMSTANCES if seed == 7 else {"": ((), {})})
    if options["digests-only"]:
        return
    build("verity-sim", flags=())  # with every internal check on
    output = run(find("build/debug", "verity-sim"), "--minutes", str(options["minutes"]), "--jobs", str(os.cpu_count()))
    print(f"  verity-sim --minutes {options['minutes']}: clean\n    " + output.strip().splitlines()[-1])
    if not options["no-mutants"]:
        run("tools/dev", "mutants", quiet=False, seconds=3 * 3600)


def compare(simulators, scenario, seed, circumstances):
    digests = {f"{name}{circumstance}": digest([*prefix, simulator], seed, "--scenario", scenario, environment=environment)
               for name, simulator in simulators.items() for circumstance, (prefix, environment) in circumstances.items()}
    require(len(set(digests.values())) == 1, f"seed {seed} of {scenario} differs: {digests}")
    print(f"  verity-sim --scenario {scenario} --seed {seed}: {next(iter(digests.values()))} from {', '.join(digests)}", flush=True)


def scenarios(simulator):
    return [line.split()[0] for line in run(simulator, "--list").splitlines()]


def find(folder, name):
    for below, _, names in os.walk(os.path.join(ROOT, folder)):
        if name in names and os.access(os.path.join(below, name), os.X_OK):
            return os.path.join(below, name)
    require(False, f"{folder} has no {name}")


def digest(simulator, seed, *more, environment=None):
    """`simulator`: a program, or a list that begins with what runs it."""
    command = simulator if isinstance(simulator, list) else [simulator]
    done = subprocess.run([*command, "--seed", str(seed), *more], cwd=ROOT, capture_output=True, text=True, timeout=600,
                          env=os.environ | (environment or {}))
    require(done.returncode == 0, f"{simulator} --seed {seed} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    match = re.search(r"digest:?\s+([0-9a-f]{16,})", done.stdout)
    require(match, f"{simulator} --seed {seed} printed no digest: {done.stdout[-500:]}")
    return match.group(1)
