"""Documents that show a terminal: runs what they show and compares what they say it prints.

A block is fenced as ```console; lines that begin with "$ " are commands (continued by a backslash at the end),
what follows is their output. What differs from run to run (times, hashes, tokens of randomness) is masked on both
sides, so that the document can show a true one.
"""
import re
import subprocess


class Step:
    def __init__(self, command, output, first, last):
        self.command, self.output = command, output
        self.first, self.last = first, last  # lines of the output in the document, half open, from 0


def steps_of(markdown):
    steps, lines, at = [], markdown.split("\n"), 0
    while at < len(lines):
        if lines[at].strip() != "```console":
            at += 1
            continue
        at += 1
        while lines[at].strip() != "```":
            command = [lines[at].removeprefix("$ ")]
            while lines[at].endswith("\\"):
                at += 1
                command.append(lines[at])
            at += 1
            first = at
            while lines[at].strip() != "```" and not lines[at].startswith("$ "):
                at += 1
            steps.append(Step("\n".join(command), lines[first:at], first, at))
    return steps


MASKS = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
    (r"\b\d+(\.\d+)? (ms|µs|s|seconds)\b", "DURATION"),
    (r"^bytes: \d+$", "bytes: SOME"),
    (r"^log_view: \d+$", "log_view: SOME"),  # as often as it was started
    (r"\bprocess \d+", "process PID"),
    (r"uptime(_seconds)?(\"?: ?)[\d.]+", r"uptime\1\2UPTIME"),
]


def masked(line):
    for pattern, instead in MASKS:
        line = re.sub(pattern, instead, line)
    return line.rstrip()


def run(step, substitutions, folder):
    """The lines the command prints, in the document's words."""
    command = step.command
    for written, meant in substitutions:
        command = command.replace(written, meant)
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=300)
    output = done.stdout + done.stderr
    for written, meant in reversed(substitutions):
        output = output.replace(meant, written)
    return output.rstrip("\n").split("\n") if output.strip() else []


def differences(expected, actual):
    """Empty if both are the same but for what is masked; else lines to print."""
    left, right = [masked(line) for line in expected], [masked(line) for line in actual]
    if left == right:
        return []
    return [f"    document: {line}" for line in expected] + [f"    printed:  {line}" for line in actual]


def bless(markdown, steps, outputs):
    """The document with the outputs that were printed."""
    lines = markdown.split("\n")
    for step, output in sorted(zip(steps, outputs), key=lambda pair: -pair[0].first):
        lines[step.first:step.last] = output
    return "\n".join(lines)
