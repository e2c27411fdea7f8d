"""What engine, net and sim never name: everything that would make a run differ from its replay."""
import re

from tree import Finding

BANS = [
    (r"std::(thread|jthread|async)\b", "threads", "a fiber: io::Loop::spawn (io/fiber/loop.h)"),
    (r"std::(mutex|recursive_mutex|shared_mutex|condition_variable|counting_semaphore|latch|barrier)\b",
     "thread synchronisation", "io/fiber/sync.h"),
    (r"std::this_thread\b|\b(usleep|nanosleep)\s*\(", "sleeping", "a timer of the Wait (io/fiber/wait.h)"),
    (r"\b(system_clock|steady_clock|high_resolution_clock)\b|\b(gettimeofday|clock_gettime|localtime|localtime_r)\s*\(",
     "the system's clocks", "the io::Clock handed in (io/clock.h)"),
    (r"(?<![\w:.>])(std::)?time\s*\(\s*(nullptr|NULL|0|&)", "the system's clocks", "the io::Clock handed in (io/clock.h)"),
    (r"(?<![\w.>])(std::)?(rand|srand|random|drand48)\s*\(|\brandom_device\b|\bgetrandom\s*\(", "randomness of the machine",
     "the io::Random handed in (io/random.h)"),
    (r"\bstd::(mt19937(_64)?|minstd_rand0?|default_random_engine|(uniform_int|uniform_real|normal|bernoulli|exponential|"
     r"poisson|discrete|geometric|binomial)_distribution|shuffle)\b", "generators that differ between libraries",
     "Prng (io/base/prng.h)"),
    (r"\b(secure_)?getenv\s*\(", "the environment", "an option handed in by the main"),
    (r"#\s*include\s*<(unistd\.h|sys/[a-z]+\.h|fcntl\.h|netinet/[a-z]+\.h|arpa/inet\.h|poll\.h|pthread\.h|thread|mutex|"
     r"ctime|time\.h|random)>", "the operating system", "the interfaces in io/"),
    (r"\bstd::hash\s*<[^<>]*\*\s*>", "a hash of an address", "an id or a position"),
]
# Only the product: the simulator writes its trace to a file.
PRODUCT_BANS = [
    (r"\bstd::(o|i)?fstream\b|\bstd::filesystem\b|\bfopen\s*\(|#\s*include\s*<(fstream|filesystem)>",
     "files of the machine", "the io::Directory handed in (io/directory.h)"),
]
COMPILED = [(re.compile(pattern), what, instead) for pattern, what, instead in BANS]
PRODUCT_COMPILED = [(re.compile(pattern), what, instead) for pattern, what, instead in PRODUCT_BANS]
FOLDERS = ("engine/", "net/", "sim/")


def banned_files(tree):
    return [p for p in tree.sources() if p.startswith(FOLDERS) and not p.endswith("_test.cc")]


def check(tree):
    """engine, net and sim name no clock, thread, randomness or environment of the machine; engine and net no file."""
    findings = []
    for path in banned_files(tree):
        for number, line in enumerate(tree.code_lines(path), 1):
            for pattern, what, instead in COMPILED if path.startswith("sim/") else COMPILED + PRODUCT_COMPILED:
                match = pattern.search(line)
                if match:
                    findings.append(Finding(path, number, f"{match.group(0).strip()}: {path.split('/')[0]} does not name "
                                                          f"{what}; use {instead}"))
    return findings


# ---- hash containers

_NAME = r"[A-Za-z_]\w*"
_EXCUSE = "order does not matter:"


def hash_container_names(code):
    """Names of variables and members that are declared as hash containers."""
    names = set()
    for match in re.finditer(r"\bunordered_(?:multi)?(?:map|set)\s*<", code):
        depth, at = 1, match.end()
        while at < len(code) and depth:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
        declared = re.match(rf"\s*[&*]?\s*({_NAME})\s*[;={{,)]", code[at:])
        if declared:
            names.add(declared.group(1))
    return names


def check_hash_order(tree):
    """Nobody walks through a hash container: its order differs from run to run."""
    findings = []
    paths = banned_files(tree)
    declared = {path: hash_container_names("\n".join(tree.code_lines(path))) for path in paths}
    for path in paths:
        partner = path[:-3] + ".h" if path.endswith(".cc") else path[:-2] + ".cc"
        names = declared[path] | declared.get(partner, set())
        if not names:
            continue
        word = "|".join(sorted(re.escape(n) for n in names))
        walk = re.compile(rf"for\s*\([^;()]*(?:\([^()]*\)[^;()]*)*:\s*(?:this->|{_NAME}(?:\.|->))*({word})\s*\)"
                          rf"|\b({word})(?:\.|->)c?begin\s*\(")
        source = tree.lines(path)
        for number, line in enumerate(tree.code_lines(path), 1):
            match = walk.search(line)
            excused = _EXCUSE in source[number - 1] or (number > 1 and _EXCUSE in source[number - 2])
            if match and not excused:
                name = match.group(1) or match.group(2)
                findings.append(Finding(path, number, f"walks through the hash container {name}, whose order is not "
                                                      "stable; use std::map or a sorted copy, or say why in a comment: "
                                                      f'"// {_EXCUSE} reason"'))
    return findings
