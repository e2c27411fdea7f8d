"""Machines on which commands run as a page prints them: node1 to node5, each with its own network, /etc/verity/config.toml and
/var/lib/verity, and the project's programs on its path."""

import os
import shutil
import signal
import subprocess

from cluster import TIMING
from harness import ADMIN, PATIENCE, SERVER, Server, clean_environment
from namespaces import Network, do


class Machines(Network):
    """They need a mount namespace of their own around them (namespaces.enter("net", "mount"))."""

    def __init__(self, case, size=5):
        self.case, self.servers = case, {}
        self.commands = case.folder / "commands"
        self.commands.mkdir()
        (self.commands / "verity-admin").symlink_to(ADMIN)
        self.install(SERVER)
        super().__init__(case, size)

    def install(self, server):
        """Another version of the program."""
        path = self.commands / "verity-server"
        path.unlink(missing_ok=True)
        path.symlink_to(server)

    def _add(self, case, node):
        super()._add(case, node)
        etc, data = case.folder / f"etc{node}", case.folder / f"lib{node}"
        (etc / "verity").mkdir(parents=True)
        (data / "verity").mkdir(parents=True)
        for name in ("nsswitch.conf", "passwd", "group", "ld.so.cache"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", etc)
        names = "".join(f"{self.host(other)} node{other}\n" for other in range(1, 8))
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        (etc / "verity" / "config.toml").write_text(
            f'[server]\ncluster_address = "{self.host(node)}:7001"\nallow_insecure = true\n'
            '[consensus]\nactivate_release_after = "0s"\n' +
            "".join(f'{key.removeprefix("VERITY_").lower()} = "{value}"\n' for key, value in TIMING.items()))
        for source, target in ((etc, "/etc"), (data, "/var/lib")):
            do(*self.inside(node), "mount", "--bind", str(source), target)

    def unshare(self):
        return ("unshare", "--net", "--mount")

    def inside(self, node):
        process = self.keepers[node].pid
        return ("nsenter", f"--net=/proc/{process}/ns/net", f"--mount=/proc/{process}/ns/mnt")

    def data_dir(self, node):
        return self.case.folder / f"lib{node}" / "verity"

    def run(self, node, line):
        """A line of a shell, to its end."""
        path = f"{self.commands}:{os.environ['PATH']}"
        return subprocess.run([*self.inside(node), "bash", "-c", line], env=clean_environment({"PATH": path}), cwd="/",
                              capture_output=True, text=True, timeout=2 * PATIENCE)

    def serve(self, node, line):
        """A line that starts a server and stays."""
        path = f"{self.commands}:{os.environ['PATH']}"
        server = ServerOfLine([*self.inside(node), "bash", "-c", f"exec {line}"], {"PATH": path})
        self.servers[node] = server
        self.case.addCleanup(server.process.stderr.close)
        self.case.addCleanup(server.kill)
        return server.wait_listening()

    def power_off(self, node):
        self.servers.pop(node).kill()

    def stop(self, node):
        self.case.assertEqual(self.servers.pop(node).stop(signal.SIGTERM), 0)


class ServerOfLine(Server):
    """Started by a command line of somebody else's."""

    def __init__(self, command, environment):
        self.run(command, environment, "/")
