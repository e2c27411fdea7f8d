"""Two random numbers in the arguments of one call: which is drawn first, each compiler decides for itself."""
import re

from tree import Finding

DRAW = re.compile(r"\w*(prng|random)\w*(\(\))?\s*(\.|->)\s*(next|below|between|chance|chance_ppm|exponential|pick|shuffle|fill|id)"
                  r"\s*\(|\bdraw\w*\s*\(")
CALL = re.compile(r"([A-Za-z_]\w*|>)\s*\(")
NO_CALL = {"if", "for", "while", "switch", "return", "sizeof", "catch"}
OPERATOR = re.compile(r"[-+*/%|^]|[<>=!]=| [<>] ")
SEQUENCE = re.compile(r"&&|\|\||<<|>>|[;{}?:,]|(?<![<>=!])=(?!=)")  # what stands left of it comes first, or right of it


def check(tree):
    """The arguments of a call, and the two sides of + or *, draw at most one random number: their order is the compiler's."""
    findings = []
    for path in tree.sources():
        code = "\n".join(tree.code_lines(path))
        for call in CALL.finditer(code):
            if call.group(1) in NO_CALL:
                continue
            drawing = [argument for argument in arguments(code, call.end()) if DRAW.search(argument)]
            if len(drawing) > 1:
                findings.append(finding(path, code, call.start(), f"{len(drawing)} arguments of {call.group(1)} draw"))
        draws = list(DRAW.finditer(code))
        for first, second in zip(draws, draws[1:]):
            between = code[closing(code, first.end()) + 1:second.start()].replace("->", "")
            if OPERATOR.search(between) and not SEQUENCE.search(between):
                findings.append(finding(path, code, first.start(), "both sides of an operator draw"))
    return findings


def finding(path, code, at, what):
    return Finding(path, code.count("\n", 0, at) + 1, f"{what} a random number, in an order that differs from compiler to compiler; "
                                                      "draw them one after the other, each into a name")


def arguments(code, at):
    """What stands between the commas of the call whose parenthesis ends at `at`; lambdas are left out: they run later."""
    found, depth = [""], 0
    for mark in code[at:closing(code, at)]:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(mark, 0)
        if mark == "," and depth == 0:
            found.append("")
        else:
            found[-1] += mark
    return [argument for argument in found if not argument.lstrip().startswith("[")]


def closing(code, at):
    """Where the parenthesis that ends before `at` is closed."""
    depth = 1
    while depth and at < len(code):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        at += 1
    return at - 1
