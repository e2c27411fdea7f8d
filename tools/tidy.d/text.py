"""What stands in texts: paths of somebody's machine, TODOs, links, scripts."""
import os
import re
import subprocess

from tree import Finding

_PROSE = (".h", ".cc", ".c", ".md", ".py", ".sh", ".build", ".txt", ".toml", ".jq")


def readable(tree):
    """Text written by people: sources, documents, scripts."""
    return [p for p in tree.paths
            if p.endswith(_PROSE) or os.path.basename(p) in ("dev", "tidy", "show", "demo", "mutants", "run")
            or p.startswith("tools/dev.d/")]


# Split so that this file does not contain what it looks for.
_MACHINE = re.compile(r"(?<![\w.$}])/(?:ho" r"me/[a-z]\w*|ro" r"ot/\w|wo" r"rk/\w|Us" r"ers/\w)[\w./-]*")


def check_machine_paths(tree):
    """No path that exists on one machine only."""
    return [Finding(path, number, f"{match.group(0)} is a path of one machine; paths start at the root of the tree")
            for path in readable(tree) for number, line in enumerate(tree.lines(path), 1)
            if (match := _MACHINE.search(line))]


_TODO = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b(.*)")
_TODO_FORM = re.compile(r"^\((perf|safety|cleanup)\): \S.*\.")


def check_todo(tree):
    """What is left open is written TODO(perf|safety|cleanup): sentence."""
    findings = []
    for path in tree.sources():
        for number, line in enumerate(tree.lines(path), 1):
            match = _TODO.search(line)
            if match and not (match.group(1).startswith("TO") and _TODO_FORM.match(match.group(2))):
                findings.append(Finding(path, number, f"{match.group(1)} is written TO" "DO(perf|safety|cleanup): sentence."))
    return findings


# ---- links in documents

_LINK = re.compile(r"(?<!\!)\[[^\]\[]*\]\(([^()\s]+)\)|^\[[^\]]+\]:\s+(\S+)")


def anchors(markdown):
    """The anchors that headings of a document make."""
    found = set()
    fenced = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        heading = re.match(r"#+\s+(.*)", line)
        if heading and not fenced:
            plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda m: m.group(1) or "", heading.group(1))
            found.add(re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-"))
    return found


def check_links(tree):
    """Links between documents lead somewhere."""
    findings = []
    folders = {os.path.dirname(p) for p in tree.paths}
    folders |= {"/".join(f.split("/")[:n]) for f in set(folders) for n in range(len(f.split("/")))}
    for path in (p for p in tree.paths if p.endswith(".md")):
        fenced = False
        for number, line in enumerate(tree.lines(path), 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            if fenced:
                continue
            for match in _LINK.finditer(re.sub(r"`[^`]*`", "``", line)):
                target = match.group(1) or match.group(2)
                if re.match(r"[a-z]+:", target):
                    continue
                file, _, anchor = target.partition("#")
                meant = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
                if meant not in tree.paths and meant not in folders:
                    findings.append(Finding(path, number, f"the link {target} leads nowhere ({meant} is not in the tree)"))
                elif anchor and meant.endswith(".md") and anchor not in anchors(tree.text(meant)):
                    findings.append(Finding(path, number, f"the link {target} leads to no heading of {meant}"))
    return findings


# ---- scripts

def check_scripts(tree):
    """Shell and Python scripts parse."""
    findings = []
    for path in tree.paths:
        full = os.path.join(tree.root, path)
        first = tree.lines(path)[0] if os.path.getsize(full) and path in readable(tree) and tree.lines(path) else ""
        shebang = first if first.startswith("#!") else ""
        if path.endswith(".sh") or path.startswith("tools/dev.d/") and not path.endswith(".py") or "bash" in shebang:
            done = subprocess.run(["bash", "-n", full], capture_output=True, text=True)
            if done.returncode:
                findings.append(Finding(path, 1, f"bash does not parse it: {done.stderr.strip().splitlines()[0]}"))
        elif path.endswith(".py") or "python3" in shebang:
            try:
                compile(tree.text(path), path, "exec")
            except SyntaxError as error:
                findings.append(Finding(path, error.lineno or 1, f"python does not parse it: {error.msg}"))
    return findings
