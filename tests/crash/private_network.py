"""A network of one's own for a thread, what it starts, and what they connect: loopback with small buffers, and with
packets dropped on order.

It needs root, and iptables; what it changes ends with it, and nobody outside notices.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
# small ones, as between distant hosts: a peer that does not read is noticed soon
BUFFER = 65536


class NoPrivateNetwork(RuntimeError):
    """This machine does not let us make one; its text says what is missing."""


@contextmanager
def private_network() -> Iterator[None]:
    """Sockets made before stay where they were."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as outside:  # noqa: PTH123 - a handle, not a file
        if libc.unshare(CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            raise NoPrivateNetwork(f"a network namespace needs root: {why}")
        try:
            order("ip", "link", "set", "lo", "up")
            for buffers in ("tcp_wmem", "tcp_rmem"):
                Path("/proc/sys/net/ipv4", buffers).write_text(f"4096 {BUFFER} {BUFFER}")
            yield
        finally:
            libc.setns(outside.fileno(), CLONE_NEWNET)


def drop_packets(one_port: int, other_port: int) -> None:
    """From now on every packet between these two ports is lost, both ways, and neither end notices."""
    for source, target in ((one_port, other_port), (other_port, one_port)):
        ports = ("--sport", str(source), "--dport", str(target))
        order("iptables", "-w", "-A", "INPUT", "-i", "lo", "-p", "tcp", *ports, "-j", "DROP")


def order(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NoPrivateNetwork(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as failure:
        raise NoPrivateNetwork(f"{' '.join(command)}: {failure.stderr.strip()}") from None
