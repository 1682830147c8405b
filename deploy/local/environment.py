"""The environment for the service: `.env`, overridden by variables that are already set."""

import difflib
import errno
import os
import re
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy import CannotStart
from deploy.local import dotenv
from service.settings import NAMES, Settings

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
ENTRYPOINT = ROOT / "deploy/image/entrypoint.sh"
PORTS = ("PORT", "METRICS_PORT")
# other variables that .env may contain: for docker compose, Python, HTTP clients and deploy/image/entrypoint.sh
OTHERS = re.compile(
    r"(COMPOSE|DOCKER|SSL_CERT)_\w+|PYTHON\w+|\w+_PROXY|TMPDIR|TIKTOKEN_CACHE_DIR|PROMETHEUS_MULTIPROC_DIR",
    re.IGNORECASE,
)
# MAX_TOKENS is similar enough to MAX_OUTPUT_TOKENS, but TAVILY_API_KEY is not to OPENAI_API_KEY
SIMILARITY = 0.72


def load() -> dict[str, str]:
    """Also puts `.venv` first in PATH, so that `python` is the one with the service's packages."""
    try:
        written = dotenv.read(ROOT / ".env")
    except dotenv.BrokenDotenv as error:
        raise CannotStart(str(error)) from None
    _warn_of_unknown(written)
    variables = written | os.environ
    variables["PATH"] = f"{VENV / 'bin'}{os.pathsep}{variables.get('PATH', os.defpath)}"
    return variables


def _warn_of_unknown(names: Iterable[str]) -> None:
    for name in names:
        if name in NAMES or OTHERS.fullmatch(name):
            continue
        near = difflib.get_close_matches(name.upper(), NAMES, n=1, cutoff=SIMILARITY)
        rest = (
            f"; did you mean {near[0]}?"
            if near
            else " of this service; your code gets it unchanged"
        )
        print(f"warning: .env: {name} is not a setting{rest}", file=sys.stderr)


def require_free_ports(variables: dict[str, str]) -> None:
    for name in PORTS:
        number = port(variables, name)
        with socket.socket(_family(variables)) as listener:
            # Like gunicorn; without it, connections that ended a minute ago would count as a listener.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host(variables), number))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise CannotStart(
                        f"HOST {host(variables)}, port {number}: {error.strerror}"
                    ) from None
                raise CannotStart(
                    f"port {number} cannot be used ({error.strerror});"
                    f" stop the program that uses it, or set {name} to another"
                ) from None


def host(variables: dict[str, str]) -> str:
    """Where the service listens; the service itself checks whether it is an address."""
    return variables.get("HOST", "").strip() or str(Settings.model_fields["host"].default)


def _family(variables: dict[str, str]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host(variables) else socket.AF_INET


def own_address(variables: dict[str, str]) -> str:
    """The address under which this machine reaches it."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return anywhere.get(host(variables), host(variables))


def port(variables: dict[str, str], name: str) -> int:
    written = variables.get(name, "").strip() or str(Settings.model_fields[name.lower()].default)
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 65535):
        raise CannotStart(f"{name} is not a port number from 1 to 65535")
    return int(written)
