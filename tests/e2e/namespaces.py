"""A network of our own for a cluster: every node is a machine with one cable to a router, which is this very process's network
namespace. Packets are dropped without a word here, where the relays of links.py can only close connections.

    node 1 (10.77.1.1) ---- port1 (10.77.1.254) \
    node 2 (10.77.2.1) ---- port2 (10.77.2.254)  > router: the test and its clients
    node 3 (10.77.3.1) ---- port3 (10.77.3.254) /

Nothing of it is seen from outside, and all of it goes with the process. It takes root.
"""

import os
import subprocess
import sys

SKIPPED = 77  # how a program tells meson so


PROBES = {
    "net": "ip link add probe0 type veth peer name probe1 && ip rule add from 10.77.1.1 to 10.77.2.1 blackhole && "
           "echo 1 > /proc/sys/net/ipv4/ip_forward",
    "mount": "mount -t tmpfs tmpfs /mnt",
}


def enter(*kinds):
    """Called first of all: goes on as a program in namespaces of its own (`net`, and `mount`, where what is mounted goes with
    it), or ends with the reason why not."""
    flags = [f"--{kind}" for kind in kinds]
    if os.environ.pop("VERITY_E2E_INSIDE", None) == " ".join(kinds):
        if "net" in kinds:
            do("ip", "link", "set", "lo", "up")
            with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
                file.write("1")
        return
    probe = " && ".join(PROBES[kind] for kind in kinds)
    try:
        failed = subprocess.run(["unshare", *flags, "sh", "-c", probe], capture_output=True, text=True).stderr
    except OSError as error:
        failed = str(error)
    if failed:
        print(f"skipped: no namespaces here ({', '.join(kinds)}): {failed.strip()}", file=sys.stderr)
        sys.exit(SKIPPED)
    os.environ["VERITY_E2E_INSIDE"] = " ".join(kinds)
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


def do(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")


class Network:
    def __init__(self, case, size=3):
        self.cut_ways = set()
        self.limited = set()
        self.keepers = {}  # processes that keep the namespaces of nodes
        for node in range(1, size + 1):
            self._add(case, node)

    def _add(self, case, node):
        keeper = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.unshare(), "sh", "-c", "echo; exec sleep infinity"],
                                  stdout=subprocess.PIPE)
        self.keepers[node] = keeper
        case.addCleanup(self._remove, node)
        keeper.stdout.readline()  # it is in its namespace
        do("ip", "link", "add", f"port{node}", "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        do("ip", "addr", "add", f"10.77.{node}.254/24", "dev", f"port{node}")
        do("ip", "link", "set", f"port{node}", "up")
        inside = self.inside(node)
        do(*inside, "ip", "link", "set", "lo", "up")
        do(*inside, "ip", "addr", "add", f"{self.host(node)}/24", "dev", "eth0")
        do(*inside, "ip", "link", "set", "eth0", "up")
        do(*inside, "ip", "route", "add", "default", "via", f"10.77.{node}.254")

    def _remove(self, node):
        """The cable goes at once; the namespace with its last process, whenever the kernel finds the time."""
        self.heal()
        subprocess.run(["ip", "link", "del", f"port{node}"], capture_output=True)
        keeper = self.keepers.pop(node)
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()

    def unshare(self):
        return ("unshare", "--net")

    def host(self, node):
        return f"10.77.{node}.1"

    def inside(self, node):
        """What a command begins with that runs on this machine."""
        return ("nsenter", f"--net=/proc/{self.keepers[node].pid}/ns/net")

    # ---- what goes wrong

    def cut(self, a, b, both_ways=True):
        """What `a` says to `b` is lost on the way; clients reach both."""
        for way in {(a, b), (b, a)} if both_ways else {(a, b)}:
            if way not in self.cut_ways:
                do("ip", "rule", "add", "from", self.host(way[0]), "to", self.host(way[1]), "blackhole")
                self.cut_ways.add(way)

    def isolate(self, node, others):
        for other in others:
            self.cut(node, other)

    def unplug(self, node):
        do("ip", "link", "set", f"port{node}", "down")

    def plug(self, node):
        do("ip", "link", "set", f"port{node}", "up")

    def limit(self, node, rate):
        """The cable of this node carries no more, such as 500kbit, either way."""
        self.limited.add(node)
        for where, device in (((), f"port{node}"), (self.inside(node), "eth0")):
            do(*where, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "4kb", "latency", "400ms")

    def heal(self):
        for a, b in self.cut_ways:
            do("ip", "rule", "del", "from", self.host(a), "to", self.host(b), "blackhole")
        self.cut_ways = set()
        for node in self.limited & set(self.keepers):
            for where, device in (((), f"port{node}"), (self.inside(node), "eth0")):
                do(*where, "tc", "qdisc", "del", "dev", device, "root")
        self.limited = set()
