"""The stack as a person runs it: a clean copy of the project, and docker compose.

stack = Stack(folder)
stack.configure(LLM_MODEL="sim")        # writes .env and brings the stack in line with it
stack.ask("hi")
"""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.service import ROOT
from tests.support.simulator import SimulatorControl
from tests.support.sse import Stream

# longer than anything takes on a slow machine: a hanging command is a failure, and not a hanging test run
COMMAND_SECONDS = 570
UP_FLAGS = os.environ.get("COMPOSE_UP_FLAGS", "").split()

# what the tests of behaviour under load share: the simulator as LLM, and limits that let one address do a lot
SIMULATED = {
    "OPENAI_BASE_URL": "http://simulator:9099/v1",
    "LLM_MODEL": "sim",
    "LOCAL_LLM_REPLICAS": 0,
    "CLIENT_MAX_STREAMS": 2000,
    "CLIENT_REQUESTS_PER_SECOND": 2000,
    "MAX_CONCURRENT_TURNS": 400,
    "IDLE_TIMEOUT_SECONDS": 30,
}

# run in a container of the service, once: the tests are one address, and ask for more than one caller may
WITHOUT_ALLOWANCE = (
    *("flask", "keys", "limit", "anonymous"),
    *("--per-user-tokens-per-minute", "none", "--budget-usd-day", "none"),
)


class Stack:
    """A separate compose project; `down` removes everything it created except the images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = f"chat-test-{os.getpid()}"
        self._settings: dict[str, object] | None = None
        self._environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        } | {
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": "docker-compose.yml:tests/stack/compose.yml",
            "SERVICE_IMAGE": "chat-service:test",
        }
        for path in _tracked():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)

    # commands

    def run(
        self, *command: str, check: bool = True, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """In the folder, with nothing of this process's environment that could change what it does."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment | variables,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *command: str, **variables: str) -> "subprocess.Popen[str]":
        """For a command that runs while the test watches."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def compose(
        self, *arguments: str, check: bool = True, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        return self.run("docker", "compose", *arguments, check=check, **variables)

    def up(self, *arguments: str) -> None:
        self.compose("up", "--wait", *UP_FLAGS, *arguments)

    def configure(self, **settings: object) -> None:
        """Through `.env` only. Containers that already match are kept."""
        if settings == self._settings:
            return
        self._settings = None
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.folder / ".env").write_text("".join(lines))
        if settings.get("LLM_MODEL") == "sim":
            self.compose("up", "--wait", "--build", "simulator")
        self.up()
        self._settings = dict(settings)

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    # containers

    def containers(self, service: str, *flags: str) -> list[str]:
        return self.compose("ps", "--quiet", *flags, service).stdout.split()

    def inspect(self, name: str) -> Any:
        """Of a container, an image or a network."""
        return json.loads(self.run("docker", "inspect", name).stdout)[0]

    def exec(
        self, container: str, *command: str, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        return self.run("docker", "exec", container, *command, check=check)

    def port(self, service: str, port: int) -> int:
        return int(self.compose("port", service, str(port)).stdout.rpartition(":")[2])

    def address_of(self, container: str, network: str) -> str:
        networks = self.inspect(container)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_{network}"]["IPAddress"])

    # nginx, and what is behind it

    @property
    def front_door(self) -> int:
        return self.port("nginx", 8080)

    @property
    def simulator(self) -> SimulatorControl:
        return SimulatorControl(self.port("simulator", 9099))

    def stream(self, question: str) -> Stream:
        return Stream("127.0.0.1", self.front_door, {"question": question})

    def ask(self, question: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.front_door, timeout=120)
        try:
            body = json.dumps({"question": question})
            connection.request("POST", "/chat", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def access_log(self) -> list[dict[str, Any]]:
        said = self.run("docker", "logs", self.containers("nginx")[0]).stdout
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port("prometheus", 9090), timeout=30
        )
        try:
            connection.request(
                "POST",
                "/api/v1/query",
                f"query={query.replace('+', '%2B')}",
                {"Content-Type": "application/x-www-form-urlencoded"},
            )
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def eventually(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first truth that `look` sees; it asks other processes, which send no event."""
    until = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.2)
    return seen


def _tracked() -> Iterator[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        with contextlib.suppress(FileNotFoundError):
            if (ROOT / name).is_file():
                yield Path(name)
