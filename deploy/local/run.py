"""Starts everything that a first look needs: the service, and a local language model where there is no key.

python -m deploy.local.run
"""

import argparse
import http.client
import sys
import time

from deploy import CannotStart
from deploy.local import data_files, environment, upstream
from deploy.local.processes import Process, ProcessEnded, Processes, StopRequested

MODEL_START_SECONDS = 120
SERVICE_START_SECONDS = 60


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
        _start_service(processes, variables)
        _announce(variables, local=local)
        while True:
            processes.watch()


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
    processes.watch(5)  # it closed its output because it ended: this says so
    raise CannotStart(f"{process.name} did not say its address")


def _start_service(processes: Processes, variables: dict[str, str]) -> None:
    print("run: the service starts ...", flush=True)
    service = processes.start("the service", ["sh", str(environment.ENTRYPOINT)], variables)
    deadline = time.monotonic() + SERVICE_START_SECONDS
    while not _is_ready(environment.port(variables, "PORT")):
        if time.monotonic() > deadline:
            raise CannotStart(f"{service.name} was not ready within {SERVICE_START_SECONDS} s")
        processes.watch(0.1)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(variables: dict[str, str], *, local: bool) -> None:
    model = (
        f"{upstream.LOCAL_MODEL}, on this machine"
        if local
        else variables.get("LLM_MODEL", "").strip()
    )
    suffix = f" ({model})" if model else ""
    address = f"http://localhost:{environment.port(variables, 'PORT')}"
    print(f"run: ready{suffix}: open {address} in a browser; Ctrl-C ends it.", flush=True)


if __name__ == "__main__":
    try:
        main()
    except StopRequested:
        print("run: ended.")
    except (CannotStart, ProcessEnded) as error:
        sys.exit(f"run: {error}.")
    except KeyboardInterrupt:
        sys.exit(130)
