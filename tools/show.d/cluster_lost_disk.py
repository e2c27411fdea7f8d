"""A disk lost under load: the node comes back by itself; then seeds of disks lost during view changes.

    tools/show cluster.3 [--seconds N] [--clients N] [--seeds N] [--seed N] [--bin FOLDER]

Clients append to three real nodes. Again and again a node, the leader as often as any, is killed, its data directory is
removed, and it is started with the command line it had: it becomes a learner, catches up, and is let in again, while the
others serve. At the end all three nodes have the same events, every acknowledged one exactly once. Then verity-sim runs
SEEDS (1000) seeds of the scenario lost_disks: the production nodes in a simulated world where disks are lost at any moment,
also while a view changes.
"""
import random
import shutil
import subprocess
import time

from appends import check, end, start_clients
from building import build, options_of
from cluster import Cluster
from server import require


def show(arguments):
    options = options_of(arguments, {"seconds": 60, "clients": 8, "seeds": 1000, "seed": 0, "bin": ""})
    seed = options["seed"] or random.randrange(1 << 32)
    print(f"  seed {seed} (the moments are real time: the same seed is not the same run)")
    if not options["bin"]:
        build("verity-server", "verity-admin", "verity-sim")
    binaries = options["bin"] or "build/bin"
    chance = random.Random(seed)
    with Cluster(binaries=binaries) as cluster:
        cluster.start_all()
        clients = start_clients(options["clients"], cluster, seed)
        losses = lose_disks(cluster, clients, chance, time.monotonic() + options["seconds"])
        end(clients)
        check(cluster, clients, losses, what="disks lost")
    if options["seeds"]:
        command = [f"{binaries}/verity-sim", "--scenario", "lost_disks", "--seed", "1", "--seeds", str(options["seeds"]),
                   "--jobs", "2", "--quiet"]
        print("  $ " + " ".join(command), flush=True)
        done = subprocess.run(command, text=True, capture_output=True)
        print("  " + "\n  ".join(done.stdout.strip().splitlines()[-3:]))
        require(done.returncode == 0, "the simulation found something")


def lose_disks(cluster, clients, chance, end):
    losses = []
    while time.monotonic() < end:
        time.sleep(chance.uniform(1, 3))
        leader = cluster.leader()
        node = leader if chance.random() < 0.4 else chance.choice([n for n in cluster.nodes if n != leader])
        server = cluster.nodes[node]
        server.kill()
        shutil.rmtree(server.data_dir)
        losses.append(time.monotonic())
        cluster.start(node)
        took = wait_member(cluster, node)
        print(f"  node {node}{' (the leader)' if node == leader else ''} lost its disk and is a member again after "
              f"{took:.1f} s; {sum(len(c.acknowledged) for c in clients)} appends acknowledged so far", flush=True)
        for client in clients:
            require(client.problem is None, client.problem)
    return losses


def wait_member(cluster, node, seconds=120):
    """Until somebody who leads says that every change is finished, and the node follows or leads."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        status = cluster.status(node)
        leader = cluster.status(cluster.leader())
        is_finished = leader and "members_change" not in leader["cluster"]
        if is_finished and status and status["state"] in ("follower", "leader"):
            return time.monotonic() - begin
        time.sleep(0.05)
    require(False, f"node {node} is no member again after {seconds} s: {cluster.status(node)}\n"
                   f"{cluster.nodes[node].log()[-1500:]}")
