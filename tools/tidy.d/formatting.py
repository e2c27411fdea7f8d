"""The layout that .clang-format describes."""
import re
import shutil
import subprocess

from tree import Finding


def check(tree):
    """Sources are formatted as .clang-format says (skipped where clang-format is not installed)."""
    tool = shutil.which("clang-format")
    if not tool:
        return []
    found = {}
    sources = tree.sources()
    for begin in range(0, len(sources), 50):
        done = subprocess.run([tool, "--dry-run", "--ferror-limit=1", *sources[begin:begin + 50]], cwd=tree.root,
                              capture_output=True, text=True)
        for match in re.finditer(r"^(\S+?):(\d+):\d+: \w+: code should be clang-formatted", done.stderr, re.MULTILINE):
            found.setdefault(match.group(1), int(match.group(2)))
    return [Finding(path, line, f"not formatted; run: clang-format -i {path}") for path, line in sorted(found.items())]
