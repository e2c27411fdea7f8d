"""A fresh clone: tools/dev run leads to a ready server, tools/dev test and .ci/run are green, the latter in time.

    tools/show node.1 [--quick]

Clones the current commit into a folder of its own and works only with what the README says. --quick leaves .ci/run
out (up to 30 minutes on two cores).
"""
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from building import options_of, run
from server import ROOT, free_port, require, scratch_root


def show(arguments):
    options = options_of(arguments, {"quick": False})
    clone = os.path.join(scratch_root(), "fresh-clone")
    shutil.rmtree(clone, ignore_errors=True)
    run("git", "clone", "-q", ROOT, clone)
    try:
        run_server(clone)
        timed(clone, "tools/dev", "test", minutes=15)
        if not options["quick"]:
            timed(clone, ".ci/run", minutes=30)
    finally:
        shutil.rmtree(clone, ignore_errors=True)


def run_server(clone):
    """tools/dev run, until the server answers and the lines to paste stand there."""
    port, metrics = free_port(), free_port()
    environment = os.environ | {"VERITY_METRICS_ADDRESS": f"127.0.0.1:{metrics}"}
    begin, seconds = time.monotonic(), 600
    output = os.path.join(clone, "run.output")
    with open(output, "wb") as file:
        process = subprocess.Popen(["tools/dev", "run", "--bind", f"127.0.0.1:{port}"], cwd=clone, stdout=file,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    try:
        while True:
            require(process.poll() is None, f"tools/dev run ended with {process.returncode}:\n{open(output).read()[-2000:]}")
            require(time.monotonic() - begin < seconds, f"not ready after {seconds} s:\n{open(output).read()[-2000:]}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.2)
        print(f"  tools/dev run: /health/ready answers 200 after {time.monotonic() - begin:.0f} s, building included")
        paste_lines(clone, output)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    require(code == 0, f"after SIGTERM the server ended with {code}")
    print("  SIGTERM: ends with 0")


def paste_lines(clone, output):
    """The three printed lines work as they stand."""
    for _ in range(50):
        lines = [line.strip() for line in open(output) if line.startswith("  ")]
        if len(lines) >= 3:
            break
        time.sleep(0.1)
    require(len(lines) == 3, f"three lines to paste were promised, there are {len(lines)}")
    for line in lines:
        done = subprocess.run(["bash", "-c", line], cwd=clone, capture_output=True, text=True, timeout=60)
        require(done.returncode == 0, f"{line}\nended with {done.returncode}: {done.stdout}{done.stderr}")
        print(f"  $ {line}\n    {done.stdout.strip().splitlines()[-1][:160] if done.stdout.strip() else '(no output)'}")


def timed(clone, *command, minutes):
    begin = time.monotonic()
    run(*command, seconds=2 * minutes * 60) if clone == ROOT else run("env", "-C", clone, *command, seconds=2 * minutes * 60)
    took = time.monotonic() - begin
    require(took < minutes * 60, f"{' '.join(command)} took {took / 60:.1f} minutes, {minutes} are allowed")
    print(f"  {' '.join(command)}: green in {took / 60:.1f} minutes")
