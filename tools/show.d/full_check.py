"""tools/dev check --full is clean, with ten minutes of fuzzing for each target."""
from building import run


def show(_):
    run("tools/dev", "check", "--full", quiet=False, seconds=6 * 3600)
