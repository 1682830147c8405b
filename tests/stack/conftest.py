"""One stack for all tests here, built from a clean copy; each module says how it wants it configured."""

import shutil
import time

import pytest

from tests.support.stack import SIMULATED, WITHOUT_ALLOWANCE, Stack
from tests.support.swarm import Swarm

_figures: list[str] = []


@pytest.fixture(scope="session")
def figures():
    """What was measured; printed at the end of the run."""
    return _figures


@pytest.fixture(scope="session")
def stack(tmp_path_factory, figures):
    if shutil.which("docker") is None:
        pytest.fail("these tests need a container engine: docker, with compose")
    stack = Stack(tmp_path_factory.mktemp("clone"))
    # as a clone is with umask 077: no other user may read it, and each container is another one
    stack.run("chmod", "-R", "go-rwx", ".")
    try:
        began = time.monotonic()
        stack.up("--build")
        figures.append(f"docker compose up --build --wait: {time.monotonic() - began:.0f} s")
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="module")
def shipped(stack):
    """As it comes: no .env at all, the local model answers."""
    stack.configure()
    return stack


@pytest.fixture(scope="module")
def simulated(stack):
    """The simulator is the LLM, by .env alone; one address asks more than strangers may."""
    stack.configure(**SIMULATED)
    stack.exec(stack.containers("service")[0], *WITHOUT_ALLOWANCE)
    stack.simulator.reset()
    return stack


@pytest.fixture(scope="session")
def swarm(stack):
    """The same stack on Docker Swarm, with the settings of `simulated`."""
    stack.configure(**SIMULATED)
    swarm = Swarm(stack)
    try:
        swarm.start()
        yield swarm
    finally:
        swarm.leave()


def pytest_collection_modifyitems(items):
    """The swarm's last: once Docker has left it, containers on networks from before no longer reach each other."""
    items.sort(key=lambda item: item.path.name.startswith("test_swarm"))


def pytest_terminal_summary(terminalreporter):
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.write_line(line)
