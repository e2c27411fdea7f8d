"""Three nodes under load, kill -9 of the leader every few seconds: the history is linearizable, nothing is lost, nothing is there twice.

    tools/show cluster.2 [--seconds N] [--clients N] [--readers N] [--seed N] [--bin FOLDER]

Clients append to any node, most of them with keys and again until it is acknowledged, some under a condition, some only once;
others read pages here and there, linearizable, of the leader, or stale. Every few seconds the leader is killed and started again
a little later. What everybody was told, and at the end everything that each node holds, goes through the checkers of the
simulator (verity-sim --check-history). The three logs verify.
"""
import os
import random
import sys
import time

from appends import say_pauses, verify_logs
from building import build, options_of
from cluster import Cluster
from server import ROOT, require


def show(arguments):
    options = options_of(arguments, {"seconds": 120, "clients": 16, "readers": 4, "seed": 0, "bin": ""})
    seed = options["seed"] or random.randrange(1 << 32)
    print(f"  seed {seed} (the moments are real time: the same seed is not the same run)")
    if not options["bin"]:
        build("verity-server", "verity-admin", "verity-sim")
    binaries = options["bin"] or "build/bin"
    Load = load_of_tests(binaries)
    with Cluster(binaries=binaries) as cluster:
        cluster.start_all()
        pause = options["seconds"] * options["clients"] / 150_000  # more keys than that of one tenant are refused
        with Load(cluster, clients=options["clients"], readers=options["readers"], pause=pause) as load:
            kills = kill_leaders(cluster, load, random.Random(seed), time.monotonic() + options["seconds"])
            cluster.wait_ready()
            try:
                judgement = load.check()
            except AssertionError as error:
                require(False, str(error))
        print(f"  {len(kills)} leaders killed, {len(load.acknowledged_at)} appends acknowledged, "
              + ", ".join(f"{count} {kind}" for kind, count in sorted(load.reads.items())) + " reads answered")
        print(f"  {judgement}")
        say_pauses(kills, load.acknowledged_at)
        verify_logs(cluster)


def load_of_tests(binaries):
    """The clients of tests/e2e, whose answers are recorded and judged."""
    for name in ("server", "admin", "sim"):
        os.environ[f"VERITY_{name.upper()}_BINARY"] = os.path.join(ROOT, binaries, f"verity-{name}")
    sys.path.append(os.path.join(ROOT, "tests", "e2e"))
    from load import Load
    return Load


def kill_leaders(cluster, load, chance, end):
    kills = []
    while time.monotonic() < end:
        time.sleep(chance.uniform(2, 5))
        leader = cluster.leader()
        cluster.nodes[leader].kill()
        kills.append(time.monotonic())
        time.sleep(chance.uniform(0.2, 2))
        cluster.start(leader)
        print(f"  killed node {leader}; {len(load.acknowledged_at)} appends acknowledged so far", flush=True)
        require(not load.problems, load.problems[:1])
    return kills
