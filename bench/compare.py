#!/usr/bin/env python3
"""Are appends as fast as the machine allows, and faster than what people use now?

    tools/dev bench [--rounds N] [--seconds S] [--long] [--pin] [--no-postgres] [--json FILE] [--micro]

Each round runs, one after the other: the bare durable write, ourselves in process, the bare loopback, ourselves over
HTTP, PostgreSQL. The table shows the median of the rounds and the median of the ratios within each round. --long adds
memory while 10 GB are appended over HTTP, start-up time after 1 and 10 GB, and the simulator's speed. --pin keeps the server on core 0 and the
client on core 1. --micro runs the micro benchmarks instead.
"""
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools", "show.d"))

from building import build, options_of, run  # noqa: E402
from server import Failure, Server, require  # noqa: E402

FOLDER = os.path.join(ROOT, ".peers")


def json_of(*command, environment=None, seconds=600):
    """The last line a command prints, as JSON."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds,
                          env=os.environ | (environment or {}))
    require(done.returncode == 0 and done.stdout.strip(),
            f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


# ---- the machine

def conditions(options):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    file_system = subprocess.run(["df", "--output=fstype", FOLDER], capture_output=True, text=True).stdout.split()[-1]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    placement = "server on core 0, client on core 1" if options.get("pin") else "not pinned: everything on all cores"
    return [
        f"commit {commit or 'unknown'}, release build",
        f"{cpu}, {os.cpu_count()} cores, Linux {platform.release()}, data on {file_system}",
        f"placement: {placement}; load before: {os.getloadavg()[0]:.2f} (0 is a quiet machine)",
        f"{options['rounds']} interleaved rounds of {options['seconds']:g} s a case, medians; events of 256 B",
    ]


def busy_and_steal():
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return sum(fields), fields[3] + fields[4], fields[7]


# ---- the cases: each gives a dictionary of figures

class Cases:
    def __init__(self, options):
        self.options = options
        self.seconds = options["seconds"]
        self.bench = os.path.join(ROOT, "build", "bin", "verity-bench")
        self.core = ["--core", "1"] if options["pin"] else []

    def bare_write(self):
        file = os.path.join(FOLDER, "bare")
        return json_of(os.path.join(FOLDER, "bin", "lat"), "disk", file, "4096", "dsync", str(self.seconds))

    def bare_loopback(self):
        return json_of(os.path.join(FOLDER, "bin", "lat"), "tcp", "256", str(self.seconds), "block")

    def in_process(self, clients, batch):
        folder = os.path.join(FOLDER, "in-process")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return json_of(self.bench, "append", "--json", "--data-dir", folder, "--clients", str(clients), "--batch",
                           str(batch), "--seconds", str(self.seconds), *warm_up(batch), *self.core)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def server(self):
        data = os.path.join(FOLDER, "server")
        shutil.rmtree(data, ignore_errors=True)
        return Server(data_dir=data, wrapper=["taskset", "-c", "0"] if self.options["pin"] else [])

    def over_http(self, clients, batch):
        with self.server() as server:
            server.start()
            before = log_bytes(server)
            figures = json_of(self.bench, "append", "--json", "--server", f"127.0.0.1:{server.port}", "--clients",
                              str(clients), "--batch", str(batch), "--seconds", str(self.seconds), *warm_up(batch), *self.core)
            payload = server_events(server) * 256
            figures["log_ratio"] = (log_bytes(server) - before) / payload
            figures["server_rss_mb"] = resident_mb(server.process.pid)
            self.backend = server.get_json("/status").get("io_backend", "unknown")
        shutil.rmtree(os.path.join(FOLDER, "server"), ignore_errors=True)
        return figures

    def postgres(self):
        answer = json_of("bench/peers/postgres.sh", "single", seconds=1200, environment={
            "PEERS_DATA": FOLDER, "REPS": "1", "SECS": f"{max(1, round(self.seconds))}",
            "CASES": "insert_c1 insert_c64 batch1000_values_c4"})
        return {case: {name: value["med"] for name, value in figures.items()} for case, figures in answer["r"].items()}


def warm_up(batch):
    return ["--warm-up", "5" if batch > 1 else "200"]


def metric(server, name):
    _, text = server.get("/metrics")
    for line in text.decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.split()[-1])
    raise Failure(f"/metrics has no {name}")


def log_bytes(server):
    return metric(server, "verity_log_bytes_total")


def server_events(server):
    return server.get_json("/v1/tenants/default")["events"]


def resident_mb(pid, field="VmHWM"):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


# ---- one round, and the table

def one_round(cases, with_postgres):
    round_figures = {
        "write": cases.bare_write(),
        "process1": cases.in_process(1, 1),
        "loopback": cases.bare_loopback(),
        "http1": cases.over_http(1, 1),
        "http64": cases.over_http(64, 1),
        "process64": cases.in_process(64, 1),
        "process_batch": cases.in_process(4, 1000),
        "http_batch": cases.over_http(4, 1000),
    }
    if with_postgres:
        round_figures["postgres"] = cases.postgres()
    return round_figures


def median(values):
    return statistics.median(values)


def rows(rounds):
    """(what, theirs, ours, ratio, aim, met) with medians over the rounds; ratios are taken within each round."""
    def of(case, figure):
        return lambda r: r[case][figure]

    def row(what, unit, theirs, their_name, ours, aim, is_met):
        our = median([ours(r) for r in rounds])
        if theirs is None:
            return what, "", f"{our:,.3g} {unit}" if our < 10 else f"{our:,.0f} {unit}", "", aim, is_met(our)
        ratio = median([ours(r) / theirs(r) for r in rounds])
        return (what, f"{their_name} {median([theirs(r) for r in rounds]):,.0f} {unit}", f"{our:,.0f} {unit}", f"{ratio:.2f}",
                aim, is_met(ratio))

    write, round_trip = of("write", "p50_us"), of("loopback", "p50_us")
    table = [
        row("1 client, in process, p50", "µs", write, "bare 4 KiB durable write", of("process1", "p50_us"), "≤ 1.5", lambda x: x <= 1.5),
        row("1 client, HTTP, p50", "µs", lambda r: write(r) + round_trip(r), "write + loopback", of("http1", "p50_us"), "≤ 1.5",
            lambda x: x <= 1.5),
    ]
    if all("postgres" in r for r in rounds):
        def pg(case):
            return lambda r: r["postgres"][case]["rows_s"]
        table += [
            row("1 client, HTTP", "events/s", pg("insert_c1"), "PostgreSQL", of("http1", "events_s"), "", lambda x: True),
            row("64 clients, HTTP", "events/s", pg("insert_c64"), "PostgreSQL", of("http64", "events_s"), "≥ 2 (3)", lambda x: x >= 2),
            row("batches of 1000, 4 clients, HTTP", "events/s", pg("batch1000_values_c4"), "PostgreSQL", of("http_batch", "events_s"), "",
                lambda x: True),
        ]
    else:
        table.append(row("64 clients, HTTP", "events/s", None, "", of("http64", "events_s"), "", lambda x: True))
    table += [
        row("batches of 1000, 4 clients, in process", "events/s", None, "", of("process_batch", "events_s"), "≥ 1,000,000", lambda x: x >= 1e6),
        row("batches of 1000, HTTP", "events/s", None, "", of("http_batch", "events_s"), "≥ 300,000", lambda x: x >= 3e5),
        row("log bytes per payload byte, 1 client", "", None, "", of("http1", "log_ratio"), "", lambda x: True),
        row("log bytes per payload byte, 64 clients", "", None, "", of("http64", "log_ratio"), "", lambda x: True),
        row("log bytes per payload byte, batches", "", None, "", of("http_batch", "log_ratio"), "", lambda x: True),
        row("64 clients, HTTP, p50", "µs", None, "", of("http64", "p50_us"), "", lambda x: True),
        row("64 clients, HTTP, p99", "µs", None, "", of("http64", "p99_us"), "", lambda x: True),
    ]
    return table


def print_table(header, table):
    cells = [header] + [[*r[:5], "" if not r[4] else "yes" if r[5] else "NO"] for r in table]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    for row in cells:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if row is header:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def missed(table):
    """The aims that are not met, in words."""
    return [f"{what}: {ours}, {ratio} of {beside}; aimed at {aim}" if beside else f"{what}: {ours}; aimed at {aim}"
            for what, beside, ours, ratio, aim, is_met in table if not is_met]


# ---- memory and start-up

def long_run(cases):
    """Rows for memory while 10 GB go in, and start-up after 1 and 10 GB, with a log of small requests' shape."""
    table, data = [], os.path.join(FOLDER, "server")
    with cases.server() as server:
        for gigabytes, more in ((1, 1), (10, 9)):
            server.start()
            json_of(cases.bench, "append", "--json", "--server", f"127.0.0.1:{server.port}", "--clients", "4", "--batch", "1000",
                    "--warm-up", "0", "--gigabytes", str(more), seconds=3600)
            memory = resident_mb(server.process.pid)
            require(server.stop(120) == 0, "the server did not end with 0")
            started = json_of(cases.bench, "start", "--json", "--data-dir", data, "--repeat", "3")
            if gigabytes == 10:
                table.append(("peak memory of the server, 10 GB appended", "", f"{memory:,.0f} MB", "", "< 300", memory < 300))
            table.append((f"start-up after {gigabytes} GB", "", f"{started['start_ms']:,.0f} ms", "", "", True))
    shutil.rmtree(data, ignore_errors=True)
    return table


def simulator():
    """Rows for how much the simulator gets through in a minute, all scenarios, all cores."""
    summary = os.path.join(FOLDER, "sim.json")
    run("build/bin/verity-sim", "--minutes", "1", "--jobs", str(os.cpu_count()), "--json", summary, "--quiet")
    with open(summary, encoding="utf-8") as file:
        figures = json.load(file)
    factor = figures["simulated_seconds"] / figures["seconds"]
    return [
        ("simulator, median seed", "", f"{figures['median_seconds']:.2f} s", "", "< 2", figures["median_seconds"] < 2),
        ("simulator, seeds per minute", "", f"{60 * figures['seeds'] / figures['seconds']:,.0f}", "", "", True),
        ("simulator, simulated per real second", "", f"{factor:,.0f} s", "", "", True),
    ]


def micro():
    """Every micro benchmark, its conditions first."""
    for name in ("micro_fiber", "micro_hash", "micro_log", "micro_disk"):
        build(name)
        run(os.path.join("build", "release", "bench", name), quiet=False)


def main(arguments):
    if set(arguments) & {"-h", "--help"}:
        print(__doc__.strip())
        return 0
    os.chdir(ROOT)
    os.makedirs(FOLDER, exist_ok=True)
    try:
        options = options_of(arguments, {"rounds": 5, "seconds": 3.0, "long": False, "pin": False, "no-postgres": False,
                                         "json": "", "micro": False})
        if options["micro"]:
            micro()
            return 0
        build("verity-server", "verity-bench", *(["verity-sim"] if options["long"] else []))
        run("bench/peers/build.sh", "lat")
        print("\n".join(conditions(options)))
        cases, rounds, begin = Cases(options), [], busy_and_steal()
        for number in range(options["rounds"]):
            rounds.append(one_round(cases, not options["no-postgres"]))
            print(f"round {number + 1} of {options['rounds']}: bare write {rounds[-1]['write']['p50_us']:.0f} µs, in process "
                  f"{rounds[-1]['process1']['p50_us']:.0f} µs, 64 over HTTP {rounds[-1]['http64']['events_s']:,.0f} events/s", flush=True)
        table = rows(rounds)
        if options["long"]:
            table += long_run(cases) + simulator()
        total, idle, steal = (after - before for after, before in zip(busy_and_steal(), begin))
        print(f"io backend: {cases.backend}; during the run the machine was {100 * (1 - idle / total):.0f} % busy, "
              f"{100 * steal / total:.1f} % stolen\n")
        print_table(["what", "beside us", "we", "ratio", "aim", "met"], table)
        if options["json"]:
            with open(options["json"], "w", encoding="utf-8") as file:
                json.dump({"conditions": conditions(options), "rounds": rounds}, file, indent=1)
        require(not missed(table), "aims that were not met: " + "; ".join(missed(table)))
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
