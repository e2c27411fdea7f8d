"""The files tidy looks at, and what a finding is."""
import functools
import os
import re
import subprocess


class Finding:
    def __init__(self, path, line, message):
        self.path, self.line, self.message = path, line, message

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


class Tree:
    """Paths relative to a root folder, with their text. Build output and other people's files are not in it."""

    def __init__(self, root, paths):
        self.root, self.paths = root, sorted(paths)

    @classmethod
    def of_repository(cls, root):
        """Tracked files and new ones that are not ignored."""
        listed = subprocess.run(["git", "-C", root, "-c", f"safe.directory={root}", "ls-files", "-z", "--cached",
                                 "--others", "--exclude-standard"], capture_output=True, check=True).stdout.decode()
        return cls(root, [p for p in listed.split("\0") if p and os.path.isfile(os.path.join(root, p))])

    @classmethod
    def of_folder(cls, root):
        """Every file below a folder; for tests."""
        return cls(root, [os.path.relpath(os.path.join(folder, name), root)
                          for folder, _, names in os.walk(root) for name in names])

    def sources(self):
        return [p for p in self.paths if p.endswith((".h", ".cc"))]

    def headers(self):
        return [p for p in self.paths if p.endswith(".h")]

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def lines(self, path):
        return self.text(path).splitlines()

    @functools.lru_cache(maxsize=None)
    def code_lines(self, path):
        """The lines without comments, and without what stands in string literals."""
        return blank_comments_and_strings(self.text(path)).splitlines()

    @functools.lru_cache(maxsize=None)
    def includes(self, path):
        """(line number, included path) of every include with quotes."""
        return [(number, match.group(1)) for number, line in enumerate(self.lines(path), 1)
                if (match := re.match(r'\s*#\s*include\s+"([^"]+)"', line))]


_TOKEN = re.compile(
    r'R"(?P<tag>[^(\s]{0,16})\(.*?\)(?P=tag)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)


def blank_comments_and_strings(source):
    """The same text with comments gone and literals emptied; line numbers stay."""
    def blank(match):
        found = match.group(0)
        kept = "\n" * found.count("\n")
        return kept if found.startswith("/") else '""' + kept
    return _TOKEN.sub(blank, source)
