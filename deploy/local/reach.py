"""Exits with 0 if something listens at a host and port, and with 1 if not, after a few seconds at most.

python -m deploy.local.reach HOST PORT
"""

import sys

from service.llm.wire.dialing import Dialer

CONNECT_SECONDS = 3.0


def main() -> None:
    host, port = sys.argv[1:]
    try:
        Dialer(host, int(port), CONNECT_SECONDS).connect()
    except (OSError, UnicodeError):
        sys.exit(1)


if __name__ == "__main__":
    main()
