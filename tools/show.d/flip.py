"""One bit flipped in every byte of a small data directory: found and named, or harmless; nothing false is served.

    tools/show node.4 [--stride N] [--path TEXT]

Runs verity-flip (tests/flip): the production node on a simulated disk, once for each byte. A flip is *refused* (the
start fails and names the file), *named* (the node starts, reports the damage, answers "damaged" for what it cannot
read and accepts no more writes) or *harmless* (every event and the head are served as before, appends work, and
another start finds all of it). Anything else is wrong. --stride tries only every so many bytes.
"""
import os

from building import build, options_of, run


def show(arguments):
    options = options_of(arguments, {"stride": 1, "path": ""})
    build("verity-flip")
    command = ["build/release/tests/flip/verity-flip", "--stride", str(options["stride"]), "--jobs", str(os.cpu_count())]
    run(*command, *(["--path", options["path"]] if options["path"] else []), quiet=False, seconds=3 * 3600)
