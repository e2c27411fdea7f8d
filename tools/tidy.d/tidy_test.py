#!/usr/bin/env python3
"""For every rule: a planted violation is found, at its line, and what is fine beside it is not."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import arrows  # noqa: E402
import bans  # noqa: E402
import draws  # noqa: E402
import formatting  # noqa: E402
import headers  # noqa: E402
import planted_bugs  # noqa: E402
import text  # noqa: E402
from tree import Tree  # noqa: E402


class TidyTest(unittest.TestCase):
    def found(self, rule, files):
        """The findings of `rule` in a tree of these files, as "path:line"; the messages are kept in self.messages."""
        with tempfile.TemporaryDirectory() as root:
            for path, content in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(content)
            findings = rule(Tree.of_folder(root))
        self.messages = "\n".join(map(str, findings))
        return [f"{f.path}:{f.line}" for f in findings]

    # ---- draws

    def test_draws(self):
        cases = [  # a statement, is it refused
            ("crash(draw(), prng_.chance(1, 2) ? one : other);", True),
            ("disk->flip_bit(path, at + prng.below(9),\n               static_cast<unsigned>(prng.below(8)));", True),
            ("const Id pair(world.random().next(), world.random().next());", True),
            ("outer(a, inner(prng.below(2), prng.below(3)));", True),
            ("const auto sum = prng.below(3) * 10 + prng.below(7);", True),
            ("if (prng->below(3) < prng->below(4)) return;", True),
            ("crash(draw(), how);", False),
            ("const Range range{prng.below(3), prng.below(4)};", False),
            ("const auto n = prng.chance(1, 2) ? prng.below(3) : prng.below(4) + 1;", False),
            ("if (prng.chance(1, 2) && prng.chance(1, 3)) go(prng.below(3));", False),
            ("spawn([&] { return prng.below(2); }, prng.below(3));", False),
            ("const auto most = std::max({prng.below(3), prng.below(4)});", False),
            ("a = prng.below(3);\nb = -prng.below(3);", False),
        ]
        for statement, refused in cases:
            found = self.found(draws.check, {"sim/a.cc": f"void f() {{\n{statement}\n}}\n"})
            self.assertEqual(found, ["sim/a.cc:2"] if refused else [], statement)

    # ---- arrows

    def test_arrows(self):
        cases = [  # file, include, is it refused
            ("io/base/a.h", "io/clock.h", True),
            ("io/a.h", "io/base/result.h", False),
            ("io/a.h", "io/linux/runtime.h", True),
            ("io/linux/a.cc", "io/file.h", False),
            ("io/a.h", "engine/log/entry.h", True),
            ("engine/log/a.cc", "io/file.h", False),
            ("engine/log/a.cc", "engine/crypto/sha256.h", False),
            ("engine/log/a.cc", "engine/node/node.h", True),
            ("engine/consensus/a.cc", "io/base/ids.h", False),
            ("engine/consensus/a.cc", "io/clock.h", True),
            ("engine/consensus/a.cc", "engine/log/entry.h", True),
            ("engine/node/a.cc", "engine/index/stream_index.h", False),
            ("engine/node/a.cc", "net/http/parser.h", True),
            ("engine/node/a.cc", "io/linux/runtime.h", True),
            ("net/server/a.cc", "engine/node/node.h", False),
            ("net/server/a.cc", "io/linux/runtime.h", True),
            ("net/server/a.cc", "sim/world.h", True),
            ("sim/a.cc", "net/server/server.h", False),
            ("sim/a.cc", "io/linux/runtime.h", True),
            ("sim/a.cc", "tests/contract/suite.h", True),
            ("sim/a_test.cc", "tests/contract/suite.h", False),
            ("tools/a.cc", "io/linux/runtime.h", False),
            ("tools/a.cc", "tests/contract/suite.h", True),
            ("bench/a.cc", "io/linux/runtime.h", False),
            ("fuzz/a.cc", "engine/log/entry.h", False),
            ("engine/log/a.cc", "entry.h", True),
        ]
        for path, include, refused in cases:
            with self.subTest(path=path, include=include):
                self.assertEqual(self.found(arrows.check, {path: f'// A.\n#include "{include}"\n'}),
                                 [f"{path}:2"] if refused else [])

    # ---- bans

    def test_bans_name_what_to_use_instead(self):
        for line, instead in [
            ("std::thread worker(run);", "io::Loop"),
            ("std::mutex m;", "io/fiber/sync.h"),
            ("std::this_thread::sleep_for(1ms);", "Wait"),
            ("auto t = std::chrono::steady_clock::now();", "io::Clock"),
            ("auto t = std::chrono::system_clock::now();", "io::Clock"),
            ("auto t = time(nullptr);", "io::Clock"),
            ("int n = rand();", "io::Random"),
            ("std::random_device device;", "io::Random"),
            ("std::mt19937_64 generator(1);", "Prng"),
            ("std::uniform_int_distribution<int> d(1, 6);", "Prng"),
            ("std::shuffle(a, b, g);", "Prng"),
            ('const char* home = getenv("HOME");', "option"),
            ("std::ifstream in(path);", "io::Directory"),
            ("#include <unistd.h>", "io/"),
            ("#include <sys/socket.h>", "io/"),
            ("#include <thread>", "io/"),
            ("std::hash<Node*> hash;", "id"),
        ]:
            for folder in ("engine/log", "net/http", "sim"):
                if folder == "sim" and "ifstream" in line:
                    continue  # the simulator writes its trace to a file
                with self.subTest(line=line, folder=folder):
                    self.assertEqual(self.found(bans.check, {f"{folder}/a.cc": f"// A.\n{line}\n"}), [f"{folder}/a.cc:2"])
                    self.assertIn(instead, self.messages)

    def test_bans_leave_others_alone(self):
        fine = ("// std::thread and time(nullptr) in a comment\nauto s = \"rand()\";\nint operand(int);\nclock.realtime();\n"
                "auto at = recorded_time(0);\nstd::chrono::nanoseconds d;\nint random_seed = prng.below(3);\n"
                "world.random.fill(out);\n")
        self.assertEqual(self.found(bans.check, {"engine/a.cc": fine}), [])
        self.assertEqual(self.found(bans.check, {"io/linux/a.cc": "std::thread t;\n", "tools/a.cc": "getenv(\"A\");\n",
                                                 "engine/log/a_test.cc": "std::thread t;\n"}), [])

    def test_hash_order(self):
        declared = "// A.\n#pragma once\nstruct A {\n  std::unordered_map<int, std::vector<int>> by_id_;\n};\n"
        for walk in ("for (auto& [id, list] : by_id_) use(id);", "for (const auto& e : this->by_id_) use(e);",
                     "auto it = by_id_.begin();", "for (auto& e : other.by_id_) use(e);"):
            with self.subTest(walk=walk):
                self.assertEqual(self.found(bans.check_hash_order, {"engine/a.h": declared, "engine/a.cc": f"\n{walk}\n"}),
                                 ["engine/a.cc:2"])
                self.assertIn("std::map", self.messages)
                excused = f"\n// order does not matter: summed up\n{walk}\n"
                self.assertEqual(self.found(bans.check_hash_order, {"engine/a.h": declared, "engine/a.cc": excused}), [])
        self.assertEqual(self.found(bans.check_hash_order, {"engine/a.h": declared,
                                                            "engine/a.cc": "auto it = by_id_.find(3);\n"
                                                                           "for (auto& e : sorted_) use(e);\n"}), [])

    # ---- headers

    def test_header_form(self):
        self.assertEqual(self.found(headers.check_form, {
            "io/good.h": "// What it is and promises.\n// More.\n#pragma once\n",
            "io/silent.h": "#pragma once\n",
            "io/late.h": "// What it is and promises.\n\n#include <a>\n#pragma once\n"}),
            ["io/late.h:2", "io/silent.h:1"])

    def test_header_alone(self):
        self.assertEqual(self.found(headers.check_alone, {
            "io/good.h": "// A.\n#pragma once\n#include <string>\ninline std::string f() { return {}; }\n",
            "io/bad.h": "// A.\n#pragma once\ninline std::string f() { return {}; }\n"}), ["io/bad.h:1"])

    def test_own_header_first(self):
        self.assertEqual(self.found(headers.check_own_header_first, {
            "io/a.h": "", "io/a.cc": '#include "io/a.h"\n\n#include <string>\n',
            "io/b.h": "", "io/b.cc": '\n#include <string>\n#include "io/b.h"\n',
            "io/c.cc": "#include <string>\n"}), ["io/b.cc:2"])

    # ---- texts

    def test_machine_paths(self):
        bad = "/ho" "me/somebody/project"
        self.assertEqual(self.found(text.check_machine_paths, {
            "docs/a.md": f"See\n{bad}/file\n", "docs/b.md": "/var/lib/verity and build/home/x and https://a.b/wo" "rk/x\n",
            "tools/c.py": "open('/wo" "rk/x')\n"}), ["docs/a.md:2", "tools/c.py:1"])

    def test_todo(self):
        todo = "TO" "DO"
        self.assertEqual(self.found(text.check_todo, {
            "io/a.cc": f"// {todo}(perf): Copy once, not twice.\n// {todo}: later\n// {todo}(me): Sentence.\n// FIX" "ME\n"}),
            ["io/a.cc:2", "io/a.cc:3", "io/a.cc:4"])

    def test_links(self):
        self.assertEqual(self.found(text.check_links, {
            "README.md": "# Top\n[a](docs/a.md) [b](docs/a.md#two-words) [c](https://x.y/z) [d](docs) [e](#top)\n"
                         "[x](docs/missing.md)\n[y](docs/a.md#nothing)\n`[z](nowhere)`\n```\n[z](nowhere)\n```\n",
            "docs/a.md": "# One\n## Two `words`\n[up](../README.md)\n"}), ["README.md:3", "README.md:4"])

    def test_planted_bugs(self):
        patch = "Wrong.\n\n--- a/a.cc\n+++ b/a.cc\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
        fuzzy = patch.replace(" one", " ein")
        self.assertEqual(self.found(planted_bugs.check, {
            "a.cc": "one\ntwo\nthree\n", "tests/mutants/fine.patch": patch, "tests/mutants/core/fuzzy.patch": fuzzy,
        }), ["tests/mutants/core/fuzzy.patch:1"])

    def test_scripts(self):
        self.assertEqual(self.found(text.check_scripts, {
            "a.sh": "if true; then\n", "b.sh": "true\n", "c.py": "def f(:\n", "tools/dev.d/d": "case x in\n",
            "tools/dev.d/e": "say hello\n"}), ["a.sh:1", "c.py:1", "tools/dev.d/d:1"])

    def test_format(self):
        if not formatting.shutil.which("clang-format"):
            self.skipTest("clang-format is not installed")
        self.assertEqual(self.found(formatting.check, {
            ".clang-format": "BasedOnStyle: Google\n", "a.cc": "int f() { return 1; }\n", "b.cc": "\nint   g( ) {return 1;}\n"}),
            ["b.cc:2"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
