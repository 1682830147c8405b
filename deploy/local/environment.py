"""The environment that the service is started with: `.env`, overruled by what is set already."""

import os
import socket
from pathlib import Path

from deploy import CannotStart
from deploy.local import dotenv

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
ENTRYPOINT = ROOT / "deploy/image/entrypoint.sh"
DEFAULT_PORTS = {"PORT": 8000, "METRICS_PORT": 8001}


def load() -> dict[str, str]:
    """Also puts `.venv` first on PATH, so that `python` is the one with the service's packages."""
    try:
        variables = dotenv.read(ROOT / ".env") | os.environ
    except dotenv.BrokenDotenv as error:
        raise CannotStart(str(error)) from None
    variables["PATH"] = f"{VENV / 'bin'}{os.pathsep}{variables.get('PATH', os.defpath)}"
    return variables


def require_free_ports(variables: dict[str, str]) -> None:
    for name in DEFAULT_PORTS:
        number = port(variables, name)
        with socket.socket() as listener:
            # As gunicorn does; without it, connections that ended a minute ago count as a listener.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("", number))
            except OSError as error:
                raise CannotStart(
                    f"port {number} cannot be used ({error.strerror}); end what uses it, or set {name} to another"
                ) from None


def port(variables: dict[str, str], name: str) -> int:
    written = variables.get(name, "").strip() or str(DEFAULT_PORTS[name])
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 65535):
        raise CannotStart(f"{name} is not a port number from 1 to 65535")
    return int(written)
