"""The cluster in the simulator and the explorer: clean, every planted bug found, digests stable.

    tools/show cluster.5 [--minutes M] [--explore-minutes M] [--seeds N]

Runs `verity-sim --scenario cluster` for M minutes (30), digests of N seeds (5) twice, every world of the explorer and its random
stories for M minutes in all (10); and reads what `tools/dev mutants` found: none may be missing, and those measured on
another tree are told. Says how many states the long run of the explorer has seen, if there was one (tools/dev explore --long).
"""
import json
import os
import subprocess
import tempfile

from building import build, options_of, run
from seeds import digest, find
from server import ROOT, require


def show(arguments):
    options = options_of(arguments, {"minutes": 30.0, "explore-minutes": 10.0, "seeds": 5})
    build("verity-sim", "verity-explore", flags=())  # with every internal check on
    simulate(options["minutes"])
    compare_digests(options["seeds"])
    explore(options["explore-minutes"])
    tell_long_run()
    check_planted_bugs()


def simulate(minutes):
    output = run(find("build/debug", "verity-sim"), "--scenario", "cluster", "--minutes", str(minutes), "--jobs",
                 str(os.cpu_count()), "--probes", seconds=minutes * 60 + 600)
    lines = output.strip().splitlines()
    summary = next(number for number, line in enumerate(lines) if " seeds in " in line)  # probes follow
    print(f"  verity-sim --scenario cluster --minutes {minutes:g}: clean\n    " + "\n    ".join(lines[summary:]), flush=True)


def compare_digests(count):
    simulator = find("build/debug", "verity-sim")
    for seed in range(1000, 1000 + count):
        found = {digest(simulator, seed, "--scenario", "cluster") for _ in (1, 2)}
        require(len(found) == 1, f"seed {seed} of cluster differs from run to run: {found}")
    print(f"  the digests of {count} seeds of cluster are the same twice", flush=True)


def explore(minutes):
    explorer = find("build/debug", "verity-explore")
    worlds = [line.split()[0] for line in run(explorer, "--list").splitlines()]
    share = minutes / (len(worlds) + 1)
    states = exhausted = 0
    for world in worlds:
        told = explored(explorer, "--world", world, "--minutes", str(share))
        states += told["count"]
        exhausted += told["whole"]
    stories = explored(explorer, "--walk", "--minutes", str(share))
    print(f"  verity-explore: {states:,} states in {len(worlds)} worlds, {exhausted} of them whole; {stories['count']:,} random "
          "stories; nothing found", flush=True)


def explored(explorer, *arguments):
    with tempfile.NamedTemporaryFile() as report:
        done = subprocess.run([explorer, *arguments, "--quiet", "--json", report.name], cwd=ROOT, capture_output=True, text=True)
        require(done.returncode == 0, f"verity-explore {' '.join(arguments)} ended with {done.returncode}\n{done.stdout[-3000:]}")
        return json.load(open(report.name)) | {"whole": "every state visited" in done.stdout}


def tell_long_run():
    folder = os.path.join(ROOT, "build", "explore")
    reports = [name for name in sorted(os.listdir(folder)) if name.endswith(".json")] if os.path.isdir(folder) else []
    for name in reports:
        told = json.load(open(os.path.join(folder, name)))
        require(not told["failed"], f"the long run of {name} has found something: {told['why']}")
        print(f"  the long run: {told['count']:,} states of {told['by']}", flush=True)
    if not reports:
        print("  no long run of the explorer here (tools/dev explore --long)", flush=True)


def check_planted_bugs():
    done = subprocess.run(["tools/mutants", "--check"], cwd=ROOT, capture_output=True, text=True)
    print("  " + done.stdout.strip().replace("\n", "\n  "), flush=True)
    require(done.returncode == 0, "run `tools/dev mutants`: not every planted bug is known to be found")
