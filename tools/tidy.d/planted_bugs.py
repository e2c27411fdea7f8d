"""Planted bugs stand where they were meant to stand."""
import subprocess

from tree import Finding


def check(tree):
    """Every tests/mutants/**/*.patch applies without fuzz (tools/dev mutants --refresh brings them up to date)."""
    findings = []
    for path in tree.paths:
        if not (path.startswith("tests/mutants/") and path.endswith(".patch")):
            continue
        tried = subprocess.run(["patch", "-p1", "--dry-run", "--force", "--fuzz=0", "--silent", "-i", path], cwd=tree.root,
                               capture_output=True, text=True)
        if tried.returncode != 0:
            why = (tried.stdout.strip().splitlines() or ["no reason given"])[0]
            findings.append(Finding(path, 1, f"does not apply without fuzz, so it may plant another bug: {why}; "
                                             "tools/dev mutants --refresh, then look at what changed"))
    return findings
