"""Who may include whom.

    tools -> sim -> net -> engine -> io (interfaces) -> io/base        io/linux is seen only by tools, bench and tests
"""
from tree import Finding

# What each folder may include besides itself. The longest folder that is a prefix of a path decides.
IO = ["io/base", "io/fiber", "io"]
ENGINE_LOWER = IO + ["engine/crypto"]
MAY_INCLUDE = {
    "io/base": [],
    "io/fiber": ["io/base", "io"],
    "io/linux": IO,
    "io": ["io/base", "io/fiber"],
    "engine/crypto": ["io/base", "io"],
    "engine/consensus": ["io/base"],
    "engine/log": ENGINE_LOWER,
    "engine/tenant": ENGINE_LOWER + ["engine/log"],
    "engine/index": ENGINE_LOWER + ["engine/log", "engine/tenant"],
    "engine/store": ENGINE_LOWER,
    "engine/sql": ENGINE_LOWER + ["engine/store", "engine/tenant"],
    "engine/projection": ENGINE_LOWER + ["engine/log", "engine/store", "engine/sql", "engine/tenant"],
    "engine/backup": ENGINE_LOWER + ["engine/log", "engine/store"],
    "engine/node": IO + ["engine"],
    "engine": IO,
    "net": IO + ["engine"],
    "sim": IO + ["engine", "net"],
    "tools": IO + ["io/linux", "engine", "net", "sim"],
    "fuzz": ["*"],
    "bench": ["*"],
    "tests": ["*"],
}


def folder_of(path):
    """The longest known folder `path` lies in, or None."""
    inside = [folder for folder in MAY_INCLUDE if path.startswith(folder + "/")]
    return max(inside, key=len, default=None)


def allowed(user, used):
    """Whether a file in folder `user` may include one in folder `used`."""
    if user == used:
        return True
    for allowed_folder in MAY_INCLUDE[user]:
        if allowed_folder == "*" or used == allowed_folder:
            return True
        # "engine" and "net" open everything below; "io" does not open io/linux.
        if allowed_folder in ("engine", "net", "sim") and used.startswith(allowed_folder + "/"):
            return True
    return False


def check(tree):
    """Includes follow the arrows: tools, sim, net, engine, io, io/base."""
    findings = []
    for path in tree.sources():
        user = folder_of(path)
        if user is None or path.endswith("_test.cc"):
            continue  # unit tests are tests, wherever they stand
        for line, included in tree.includes(path):
            used = folder_of(included)
            if used is None:
                findings.append(Finding(path, line, f'"{included}" is not a path from the root of the tree; '
                                                    "write it as one, or use <> for a library's header"))
            elif not allowed(user, used):
                may = ", ".join(dict.fromkeys([user] + MAY_INCLUDE[user]))
                findings.append(Finding(path, line, f"{user} may not see {used} ({included}); it sees {may}. "
                                                    "What it needs from above it declares as an interface"))
    return findings
