"""Ports on loopback: whether one is free, and finding one that is."""

import errno
import random
import socket

from signet.failure import Failure

SERVICE_PORTS = range(20000, 32000)
"""Below what Linux (32768) and macOS (49152) give to outgoing connections: while a service is down, nothing takes its
port by accident, and nobody who tries to reach it connects to himself."""


class PortTakenError(Failure):
    """Something else listens where the door should be."""


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return as many different ports as asked for, on which nothing listened a moment ago.

    Raises Failure when a hundred tries for one do not find it.
    """
    found: set[int] = set()
    for _ in range(100 * count):
        if len(found) == count:
            return list(found)
        port = random.choice(SERVICE_PORTS)  # noqa: S311 - spreads stacks that start at once; nothing secret about it
        if _fault(socket.AF_INET, host, port) is None:
            found.add(port)
    raise Failure(f"No free port on {host} between {SERVICE_PORTS.start} and {SERVICE_PORTS.stop}.")


def require_free(host: str, port: int) -> None:
    """Make sure that a door can be opened at this port, and that `localhost` will lead to it.

    Raises PortTakenError when something listens there, also when it does so on localhost's IPv6 address alone: a
    browser takes `localhost` for either, and would reach that instead. Raises Failure when the port cannot be had for
    another reason.
    """
    for family, address in ((socket.AF_INET, host), (socket.AF_INET6, "::1")):
        match _fault(family, address, port):
            case errno.EADDRINUSE:
                raise PortTakenError(f"Port {port} is already in use on {address}. Choose another one with --port.")
            case errno.EACCES:
                raise Failure(f"Port {port} is reserved for the system. Choose one above 1023 with --port.")
            case int() as number if address == host:
                raise Failure(f"Cannot listen on {host} port {port}: {errno.errorcode.get(number, number)}.")


def _fault(family: int, host: str, port: int) -> int | None:
    """Return why one cannot listen there, as an errno, or None."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return error.errno or errno.EIO
    return None
