"""How headers look, and that each compiles without help."""
import concurrent.futures
import hashlib
import os
import shutil
import subprocess

from tree import Finding


def check_form(tree):
    """Every header opens with a comment that says what it is, then #pragma once."""
    findings = []
    for path in tree.headers():
        lines = tree.lines(path)
        comments = 0
        while comments < len(lines) and lines[comments].startswith("//"):
            comments += 1
        if not comments or len(lines[0]) < 10:
            findings.append(Finding(path, 1, "a header opens with a comment: what it is and what it promises"))
        if comments >= len(lines) or lines[comments] != "#pragma once":
            findings.append(Finding(path, comments + 1, "#pragma once follows directly after the opening comment"))
    return findings


def check_own_header_first(tree):
    """x.cc includes x.h before anything else."""
    findings = []
    for path in tree.sources():
        own = path[:-3] + ".h"
        if not path.endswith(".cc") or own not in tree.paths:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if line.startswith("#include"):
                if line.split()[1] != f'"{own}"':
                    findings.append(Finding(path, number, f'the first include is "{own}", so that it is seen to stand alone'))
                break
    return findings


# ---- compiling alone

def closure(tree, path, seen=None):
    """`path` and the project headers it includes, directly or not."""
    seen = seen if seen is not None else set()
    if path not in seen and path in tree.paths:
        seen.add(path)
        for _, included in tree.includes(path):
            closure(tree, included, seen)
    return seen


def digest(tree, path, compiler):
    whole = hashlib.sha256(compiler.encode())
    for part in sorted(closure(tree, path)):
        whole.update(part.encode() + b"\0" + tree.text(part).encode() + b"\0")
    return whole.hexdigest()


def compile_alone(tree, path, compiler):
    """None if the header compiles by itself, else the compiler's first error."""
    command = [*compiler.split(), "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-x", "c++-header",
               "-Wno-pragma-once-outside-header", "-I", ".", path]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    return (errors or done.stderr.splitlines() or ["no message"])[0]


def check_alone(tree):
    """Every header compiles alone (remembered by content in build/tidy)."""
    compiler = "g++" if shutil.which("g++") else "clang++-19"
    memory = os.path.join(tree.root, "build", "tidy")
    os.makedirs(memory, exist_ok=True)
    # io_uring and fuzzing headers may need libraries only some machines have; everything else must compile here.
    marks = {path: os.path.join(memory, digest(tree, path, compiler)) for path in tree.headers()}
    todo = [path for path, mark in marks.items() if not os.path.exists(mark)]
    findings = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, error in zip(todo, pool.map(lambda p: compile_alone(tree, p, compiler), todo)):
            if error:
                findings.append(Finding(path, 1, f"does not compile alone: {error}"))
            else:
                open(marks[path], "w").close()
    return findings
