"""Keeps a certificate for DOMAIN: looks twice a day whether it is due, and puts it where nginx picks it up.

python3 -m deploy.acme        until it is stopped; `python3 -m deploy.acme now` renews it once, due or not

It runs with the certbot image's Python, so it needs nothing but the standard library.
"""

import json
import os
import signal
import sys
import threading
import time

from deploy import CannotStart
from deploy.acme import certbot
from deploy.acme.memory import Memory

LOOK_SECONDS = 12 * 3600
NOW = "docker compose exec certbot python3 -m deploy.acme now"


def main(arguments: list[str]) -> int:
    wanted = certbot.Wanted.of(os.environ)
    memory = Memory(certbot.FOLDER / "attempts.json", wanted.text)
    # nginx has the same user; nobody else reads a key
    os.umask(0o077)
    if arguments == ["now"]:
        return 0 if _try(wanted, memory, force=True) == LOOK_SECONDS else 1
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    wait = memory.seconds_left()
    if wait:
        say(f"the next attempt is in {_minutes(wait)}, or at once with `{NOW}`")
    while not stopped.wait(wait):
        wait = _try(wanted, memory)
    return 0


def _try(wanted: certbot.Wanted, memory: Memory, *, force: bool = False) -> float:
    """The seconds until the next look."""
    try:
        is_new = certbot.attempt(wanted, force=force)
    except certbot.NotYet as reason:
        seconds = memory.failed(counted=reason.counted)
        say(
            f"no new certificate for {wanted.names}: {reason}; nginx serves the one it has,"
            f" and the next attempt is in {_minutes(seconds)}, or at once with `{NOW}`"
        )
        return seconds
    memory.succeeded()
    if is_new:
        say(f"nginx gets a new certificate for {wanted.names}")
    return LOOK_SECONDS


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def say(event: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    print(json.dumps({"time": moment, "logger": "acme", "event": event}), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotStart as error:
        sys.exit(f"certbot cannot start: {error}.")
