"""A container's health check: exit code 0 if `http://127.0.0.1:PORT/PATH` answers 200.

python healthcheck.py PORT PATH
"""

import socket
import sys

SECONDS = 3


def main(port: int, path: str) -> int:
    # a plain socket: importing an HTTP client would be most of the cost of this check
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        status = connection.makefile("rb").readline().split()[1:2]
    return 0 if status == [b"200"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]), sys.argv[2]))
    except OSError as error:
        sys.exit(f"healthcheck: {error}")
