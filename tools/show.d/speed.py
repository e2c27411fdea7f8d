"""The benchmark table: ourselves beside the bare disk, the bare loopback and PostgreSQL."""
from building import run


def show(arguments):
    run("tools/dev", "bench", "--long", *arguments, quiet=False, seconds=3600)
