"""`python -m tests.simulator`: SIMULATOR_PORT, SIMULATOR_HOST, SIMULATOR_TLS_CERT and _KEY."""

import contextlib
import errno
import gc
import os
import resource
import signal
import ssl
import sys
from collections.abc import Mapping

from tests.simulator.server import Simulator


class ConfigurationError(Exception):
    """The environment asks for something that cannot be; its text is for the user."""


def main() -> int:
    try:
        simulator = _listen(os.environ)
    except ConfigurationError as error:
        print(f"LLM simulator: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: simulator.stop())
    print(f"LLM simulator listens on {simulator.base_url}", flush=True)
    gc.freeze()
    simulator.run()
    return 0


def _listen(environment: Mapping[str, str]) -> Simulator:
    host = environment.get("SIMULATOR_HOST") or "127.0.0.1"
    port = _port(environment.get("SIMULATOR_PORT") or "9099")
    tls = _tls(environment.get("SIMULATOR_TLS_CERT"), environment.get("SIMULATOR_TLS_KEY"))
    _raise_file_limit()
    try:
        return Simulator(host, port, tls)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port {port} on {host} is taken; set SIMULATOR_PORT to a free one."
            ) from None
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}."
        ) from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ConfigurationError(f"SIMULATOR_PORT must be a port number, not {text!r}.")
    return int(text)


def _tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise ConfigurationError(
            "SIMULATOR_TLS_CERT and SIMULATOR_TLS_KEY are set together or not at all."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigurationError(f"cannot read the TLS certificate or key: {error}.") from None
    return context


def _raise_file_limit() -> None:
    """Thousands of streams need as many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
