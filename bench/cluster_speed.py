#!/usr/bin/env python3
"""Are three nodes nearly as fast as three bare processes, and much faster than what people replicate with now?

    bench/cluster_speed.py [--rounds N] [--seconds S] [--failovers N] [--json FILE]

Each round runs, one after the other: the bare loopback, the bare replicated write (three processes, two of three on disk, no
protocol), ourselves with the native client (1 client; 64 over 8 connections; 4 with batches of 1000), etcd with three nodes,
PostgreSQL with two synchronous standbys and as many clients. Nothing is pinned: there are more servers than cores. The table shows the median of the rounds and the median of the ratios within each
round. Then the leader of three nodes is killed again and again: how long until the next acknowledgement?
"""
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True

from compare import FOLDER, ROOT, busy_and_steal, conditions, json_of, median, missed, print_table  # noqa: E402
from building import build, options_of, run  # noqa: E402
from server import Failure, require  # noqa: E402

BENCH = os.path.join(ROOT, "build", "bin", "verity-bench")
PROGRAMS = os.path.join(FOLDER, "bin")


def in_folder(name, command):
    """`command(folder)` with an empty folder on the disk that is measured."""
    folder = os.path.join(FOLDER, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        return command(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Round:
    def __init__(self, seconds):
        self.seconds = seconds

    def ours(self, clients, connections, batch):
        return in_folder("cluster", lambda folder: json_of(
            BENCH, "append", "--json", "--nodes", "3", "--data-dir", folder, "--clients", str(clients), "--connections",
            str(connections), "--batch", str(batch), "--seconds", str(self.seconds), "--warm-up", "20" if batch > 1 else "200"))

    def peer(self, script, cases, *arguments):
        answer = json_of(f"bench/peers/{script}", *arguments, seconds=1200, environment={
            "PEERS_DATA": FOLDER, "REPS": "1", "SECS": f"{max(1, round(self.seconds))}", "CASES": " ".join(cases)})
        return {case: {name: value["med"] for name, value in figures.items()} for case, figures in answer["r"].items()}

    def run(self):
        return {
            "loopback": json_of(f"{PROGRAMS}/lat", "tcp", "256", str(self.seconds), "block"),
            "floor": in_folder("repl", lambda folder: json_of(f"{PROGRAMS}/repl", folder, "4096", str(self.seconds))),
            "one": self.ours(1, 1, 1),
            "many": self.ours(64, 8, 1),
            "batch": self.ours(4, 4, 1000),
            "etcd": self.peer("etcd.sh", ["put_c1", "put_c64"]),
            "postgres": self.peer("postgres.sh", ["insert_c1", "insert_c64", "batch1000_values_c4"], "sync3"),
        }


def rows(rounds):
    """(what, beside us, ours, ratio, aim, met); ratios are taken within each round."""
    def row(what, unit, beside, name, ours, aim, is_met):
        ratio = median([ours(r) / beside(r) for r in rounds])
        return (what, f"{name} {median([beside(r) for r in rounds]):,.0f} {unit}",
                f"{median([ours(r) for r in rounds]):,.0f} {unit}", f"{ratio:.2f}", aim, is_met(ratio))

    p50 = lambda r: r["one"]["p50_us"]
    many = lambda r: r["many"]["events_s"]
    return [
        row("1 client, p50", "µs", lambda r: r["floor"]["p50_us"] + r["loopback"]["p50_us"], "floor + loopback", p50, "≤ 1.5",
            lambda x: x <= 1.5),
        row("1 client, p50", "µs", lambda r: r["etcd"]["put_c1"]["p50_us"], "etcd", p50, "< 1", lambda x: x < 1),
        row("1 client, p50", "µs", lambda r: r["postgres"]["insert_c1"]["p50_us"], "PostgreSQL", p50, "< 1", lambda x: x < 1),
        row("64 clients, 8 connections", "events/s",
            lambda r: max(r["etcd"]["put_c64"]["ops_s"], r["postgres"]["insert_c64"]["rows_s"]), "the better peer", many, "≥ 4",
            lambda x: x >= 4),
        row("64 clients, 8 connections", "events/s", lambda r: r["etcd"]["put_c64"]["ops_s"], "etcd", many, "", lambda x: True),
        row("64 clients, 8 connections", "events/s", lambda r: r["postgres"]["insert_c64"]["rows_s"], "PostgreSQL", many, "",
            lambda x: True),
        row("batches of 1000, 4 clients", "events/s", lambda r: r["postgres"]["batch1000_values_c4"]["rows_s"], "PostgreSQL",
            lambda r: r["batch"]["events_s"], "≥ 5", lambda x: x >= 5),
    ]


def failover(times):
    figures = in_folder("failover", lambda folder: json_of(
        BENCH, "failover", "--json", "--data-dir", folder, "--nodes", "3", "--repeat", str(times), seconds=60 + 20 * times))
    return (f"leader killed {times} times, nothing lost or twice", "", f"{figures['failover_ms']:,.0f} ms (worst {figures['worst_ms']:,.0f})", "",
            "≤ 1000 ms", figures["failover_ms"] <= 1000)


def measure(arguments):
    """The table; every aim that is not met."""
    options = options_of(arguments, {"rounds": 3, "seconds": 3.0, "failovers": 20, "json": ""})
    os.chdir(ROOT)
    os.makedirs(FOLDER, exist_ok=True)
    build("verity-server", "verity-bench")
    run("bench/peers/build.sh", "lat", "repl", "etcdbench")
    print("\n".join(conditions(options)) + "\nserver settings: defaults; every append durable on two of three nodes", flush=True)
    rounds, begin = [], busy_and_steal()
    for number in range(options["rounds"]):
        rounds.append(Round(options["seconds"]).run())
        last = rounds[-1]
        print(f"round {number + 1} of {options['rounds']}: floor {last['floor']['p50_us']:.0f} µs, we {last['one']['p50_us']:.0f} µs, "
              f"64 clients {last['many']['events_s']:,.0f} events/s", flush=True)
    table = rows(rounds)
    if options["failovers"] > 0:
        table.append(failover(options["failovers"]))
    total, idle, steal = (after - before for after, before in zip(busy_and_steal(), begin))
    print(f"during the run the machine was {100 * (1 - idle / total):.0f} % busy, {100 * steal / total:.1f} % stolen\n")
    print_table(["what", "beside us", "we", "ratio", "aim", "met"], table)
    if options["json"]:
        with open(options["json"], "w", encoding="utf-8") as file:
            json.dump({"conditions": conditions(options), "rounds": rounds}, file, indent=1)
    return missed(table)


def main(arguments):
    if set(arguments) & {"-h", "--help"}:
        print(__doc__.strip())
        return 0
    try:
        misses = measure(arguments)
        require(not misses, "aims that were not met: " + "; ".join(misses))
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
