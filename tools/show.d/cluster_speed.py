"""The speed of three nodes beside etcd, PostgreSQL with two synchronous standbys and the bare replicated write; fail-over."""
from building import run


def show(arguments):
    run("tools/dev", "bench", "--nodes", "3", *arguments, quiet=False)
