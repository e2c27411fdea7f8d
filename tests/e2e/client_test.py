"""The client library as an application gets it: installed files, a compiler, servers."""

import os
import shutil
import subprocess
import unittest

from cluster import Cluster
from harness import PATIENCE, TestCase

BUILD = os.environ["VERITY_BUILD_ROOT"]
SOURCE = os.environ["VERITY_SOURCE_ROOT"]
COMPILER = os.environ["VERITY_COMPILER"].split()


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=5 * PATIENCE, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Installed(TestCase):
    def build_example(self):
        root = self.folder / "root"
        run("meson", "install", "-C", BUILD, "--destdir", str(root), "--no-rebuild", "--tags", "devel")
        packages = next(root.rglob("veritydb-client.pc")).parent
        environment = os.environ | {"PKG_CONFIG_PATH": str(packages), "PKG_CONFIG_SYSROOT_DIR": str(root)}
        flags = run("pkg-config", "--cflags", "--libs", "veritydb-client", env=environment).split()
        example = self.folder / "example.cc"
        shutil.copy(f"{SOURCE}/tools/client/example/append_and_follow.cc", example)
        program = self.folder / "example"
        run(*COMPILER, "-std=c++23", "-Wall", "-Wextra", "-Werror", str(example), *flags, "-o", str(program))
        return program

    def test_the_example_builds_against_what_is_installed_and_runs(self):
        program = self.build_example()
        cluster = Cluster(self)
        cluster.start_all()
        seen = run(str(program), *(server.address for server in cluster.nodes.values()))
        self.assertEqual(sorted(line.split(" ", 2)[2] for line in seen.splitlines()),
                         ['{"bed":1}', '{"bed":2}', '{"bed":3}'])


if __name__ == "__main__":
    unittest.main()
