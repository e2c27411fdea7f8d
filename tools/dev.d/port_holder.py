"""Prints who listens on a TCP port of this machine, one line; nothing if nobody does."""
import glob
import os
import sys


def listening_inodes(port):
    """Socket inodes that listen on `port`, with the address they are bound to."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = open(table, encoding="ascii").readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, local_port = fields[1].rsplit(":", 1)
            if fields[3] == "0A" and int(local_port, 16) == port:
                found[fields[9]] = address
    return found


def holder_of(inode):
    """(pid, command line) of a process that has the socket open, or None where the system does not tell."""
    for descriptor in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == f"socket:[{inode}]":
                pid = descriptor.split("/")[2]
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    return pid, file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
    return None


def main():
    port = int(sys.argv[1])
    for inode in listening_inodes(port):
        holder = holder_of(inode)
        if holder:
            print(f"port {port} is taken by process {holder[0]}: {holder[1][:200]}")
        else:
            print(f"port {port} is taken by a process of another user")
        return


if __name__ == "__main__":
    main()
