"""Real processes for every test: the simulator as upstream, gunicorn with the service."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.nursery import Nursery
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """Services are forked from it, unless they are to be fresh: a start takes half the time."""
    with Nursery() as Service.nursery:
        yield
    Service.nursery = None


@pytest.fixture(scope="session")
def _simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def simulator(_simulator: SimulatorProcess) -> SimulatorProcess:
    """The upstream, its counters at zero."""
    _simulator.reset()
    return _simulator


@pytest.fixture(scope="session")
def service(_simulator: SimulatorProcess) -> Iterator[Service]:
    """One worker, one attempt per turn, a breaker that stays closed: shared by all tests that leave it as it was."""
    with Service(_simulator.base_url, RETRY_ATTEMPTS=1, BREAKER_FAILURES=1_000_000) as running:
        yield running


@pytest.fixture(scope="session", params=["lean", "stock"])
def either(request: pytest.FixtureRequest, _simulator: SimulatorProcess) -> Iterator[Service]:
    """As `service`, once with each of the two clients: they keep the same contract."""
    settings = {"RETRY_ATTEMPTS": 1, "BREAKER_FAILURES": 1_000_000, "LLM_CLIENT": request.param}
    with Service(_simulator.base_url, **settings) as running:
        yield running


@pytest.fixture
def serve(simulator: SimulatorProcess) -> Iterator[Callable[..., Service]]:
    """Starts a service with settings of its own: serve(DRAIN_SECONDS=5)."""
    with ExitStack() as stack:

        def start(**settings: object) -> Service:
            return stack.enter_context(Service(simulator.base_url, **settings))

        yield start
