"""The engine here as a Swarm, with our stack on it, and another node in a container.

swarm = Swarm(stack)
swarm.start()                       # docker swarm init, deploy/swarm/deploy.sh
with swarm.another_node() as node:  # docker swarm join
    ...
swarm.leave()
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.service import free_port
from tests.support.simulator import SimulatorControl
from tests.support.stack import (
    COMMAND_SECONDS,
    UP_FLAGS,
    WITHOUT_ALLOWANCE,
    Stack,
    eventually,
)

NAME = "chat-test-swarm"
SERVICE = f"{NAME}_service"
# what Docker in a container needs, where --privileged is too much to ask for
NODE_CAPABILITIES = ("NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE")
# the tests' own compose network has its addresses from elsewhere
POOL = "198.19.0.0/17"


@dataclass(frozen=True)
class Node:
    """A container with an engine that has joined."""

    container: str
    address: str


class Swarm:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.door, self.simulator_port = free_port(), free_port()
        self.simulator = SimulatorControl(self.simulator_port)

    def start(self) -> None:
        here = self.docker(
            *("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
        ).strip()
        self.docker(
            *("swarm", "init", "--advertise-addr", here, "--listen-addr", here),
            *("--default-addr-pool", POOL),
        )
        self.deploy()
        self.stack.exec(self.tasks()[0], *WITHOUT_ALLOWANCE)

    def deploy(
        self, image: str = "chat-service:test", *, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        return self.stack.run(
            *("deploy/swarm/deploy.sh", "tests/stack/swarm.yml"),
            check=check,
            STACK=NAME,
            SERVICE_IMAGE=image,
            HTTP_PORT=str(self.door),
            SIMULATOR_PORT=str(self.simulator_port),
            # as for docker compose
            GRAFANA_REPLICAS="0" if "grafana=0" in UP_FLAGS else "1",
        )

    def docker(self, *arguments: str, check: bool = True) -> str:
        return self.stack.run("docker", *arguments, check=check).stdout

    def scale(self, count: int) -> None:
        self.docker("service", "scale", "--detach=false", f"{SERVICE}={count}")

    def tasks(self, service: str = SERVICE) -> list[str]:
        """A service's containers that run on this node."""
        label = f"label=com.docker.swarm.service.name={service}"
        return self.docker("ps", "--quiet", "--filter", label).split()

    def image(self) -> str:
        spec: Any = json.loads(self.docker("service", "inspect", SERVICE))[0]["Spec"]
        image: str = spec["TaskTemplate"]["ContainerSpec"]["Image"]
        return image.partition("@")[0]

    @contextlib.contextmanager
    def another_node(self, *images: str) -> Iterator[Node]:
        """With these images, since no registry has them. Its data are on a volume, so that layers need no copies."""
        capabilities = [flag for name in NODE_CAPABILITIES for flag in ("--cap-add", name)]
        container = self.docker(
            *("run", "--detach", "--name", f"{NAME}-node", "--hostname", "another"),
            *(*capabilities, "--security-opt", "apparmor=unconfined"),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
            *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup"),
            *("--volume", "/var/lib/docker", "--entrypoint", "dockerd", "docker:28-dind"),
            *("--host", "unix:///var/run/docker.sock", "--bip", "198.18.255.1/24"),
        ).strip()
        try:
            inside = ("exec", container, "docker")
            eventually(lambda: self.docker(*inside, "info", check=False), 60, "its engine")
            self._copy(images, container)
            token = self.docker("swarm", "join-token", "--quiet", "worker").strip()
            here = self.docker("info", "--format", "{{.Swarm.NodeAddr}}").strip()
            self.docker(*inside, "swarm", "join", "--token", token, f"{here}:2377")
            networks = self.stack.inspect(container)["NetworkSettings"]["Networks"]
            yield Node(container, networks["bridge"]["IPAddress"])
        finally:
            self.docker("rm", "--force", "--volumes", container, check=False)

    def _copy(self, images: tuple[str, ...], container: str) -> None:
        saved = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        load = ("docker", "exec", "--interactive", container, "docker", "load", "--quiet")
        with saved:
            subprocess.run(
                load, stdin=saved.stdout, check=True, capture_output=True, timeout=COMMAND_SECONDS
            )
        assert saved.returncode == 0

    def leave(self) -> None:
        """Nothing stays, or the next one would find a database that is not its service's."""
        self.docker("stack", "rm", NAME, check=False)
        try:
            eventually(lambda: not self.tasks(), 180, "the tasks are gone")
        finally:
            self.docker("swarm", "leave", "--force", check=False)
        ours = ("--quiet", "--filter", f"label=com.docker.stack.namespace={NAME}")
        for kind, all_of_them in (("container", "--all"), ("volume", "--quiet")):
            listed = self.docker(kind, "ls", all_of_them, *ours).split()
            self.docker(kind, "rm", "--force", *listed, check=False)
