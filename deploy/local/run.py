"""`make run`: starts the service, and a local language model if there is no key.

python -m deploy.local.run
"""

import argparse
import http.client
import sys
import time
from urllib.parse import urlsplit

from deploy import CannotStart
from deploy.local import data_files, environment, upstream
from deploy.local.changes import Changes
from deploy.local.processes import Process, ProcessEnded, Processes, StopRequested
from service.settings import Settings

SERVICE = "the service"
LOOK_SECONDS = 1.0
MODEL_START_SECONDS = 120
# a chain may load an index first
SERVICE_START_SECONDS = 600


def main() -> None:
    argparse.ArgumentParser(
        description="Start the service, with a local language model unless OPENAI_API_KEY or OPENAI_BASE_URL is set.",
        epilog="Settings come from the environment and from .env; .env.example explains each. Ctrl-C ends it.",
    ).parse_args()
    variables = environment.load()
    local = upstream.needs_local_model(variables)
    environment.require_free_ports(variables)
    with Processes() as processes:
        if local:
            address = _start_model(processes, variables)
            variables = upstream.with_local_model(variables, f"{address}/v1")
        changes = Changes(environment.ROOT / "service")
        print("run: the service starts ...", flush=True)
        service: Process | None = _start_service(processes, variables)
        _announce(variables, local=local)
        while True:
            processes.watch(LOOK_SECONDS)
            if changes.any():
                service = _restarted(processes, service, variables)


def _restarted(
    processes: Processes, service: Process | None, variables: dict[str, str]
) -> Process | None:
    """None if the changed source does not start; the next change may."""
    print("run: service/ has changed: the service restarts ...", flush=True)
    if service:
        processes.end(service)
    try:
        service = _start_service(processes, variables)
    except ProcessEnded as error:
        if error.process.name != SERVICE:
            raise
        processes.end(error.process)
        print(f"run: {error}; fix service/ and save, and it starts again.", flush=True)
        return None
    print("run: ready again.", flush=True)
    return service


def _start_model(processes: Processes, variables: dict[str, str]) -> str:
    print("run: the language model loads ...", flush=True)
    file = environment.VENV / "share" / data_files.MODEL
    command = [sys.executable, "-m", "deploy.local.local_llm", str(file)]
    model = processes.start("the local language model", command, variables, read=True)
    return _first_line(processes, model)


def _first_line(processes: Processes, process: Process) -> str:
    deadline = time.monotonic() + MODEL_START_SECONDS
    while not processes.watch(max(0, deadline - time.monotonic()), also=process.output):
        if time.monotonic() > deadline:
            raise CannotStart(f"{process.name} was not ready within {MODEL_START_SECONDS} s")
    if address := process.output.readline().strip():
        return address
    processes.watch(5)  # it closed its output because it ended, which this reports
    raise CannotStart(f"{process.name} did not say its address")


def _start_service(processes: Processes, variables: dict[str, str]) -> Process:
    service = processes.start(SERVICE, ["sh", str(environment.ENTRYPOINT)], variables)
    deadline = time.monotonic() + SERVICE_START_SECONDS
    host, port = environment.own_address(variables), environment.port(variables, "PORT")
    while not _is_ready(host, port):
        if time.monotonic() > deadline:
            raise CannotStart(f"{service.name} was not ready within {SERVICE_START_SECONDS} s")
        processes.watch(0.1)
    return service


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(variables: dict[str, str], *, local: bool) -> None:
    used = _upstream(variables, local=local)
    if local or upstream.is_reachable(variables):
        print(f"run: ready, using {used}.", flush=True)
    else:
        print(f"run: ready, but {used} could not be reached (see above).", flush=True)
    host, port = environment.host(variables), environment.port(variables, "PORT")
    shown = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    where = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    print(f"run: open {where} in a browser; Ctrl-C stops it.", flush=True)


def _upstream(variables: dict[str, str], *, local: bool) -> str:
    if local:
        return f"{upstream.LOCAL_MODEL} on this machine (English only)"
    model = variables.get("LLM_MODEL", "").strip() or Settings.model_fields["llm_model"].default
    return f"{model} at {_without_secrets(upstream.address(variables))}"


def _without_secrets(address: str) -> str:
    """An address may contain a password, and keys in its query."""
    url = urlsplit(address)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


if __name__ == "__main__":
    try:
        main()
    except StopRequested:
        print("run: ended.")
    except (CannotStart, ProcessEnded) as error:
        sys.exit(f"run: {error}.")
    except KeyboardInterrupt:
        sys.exit(130)
