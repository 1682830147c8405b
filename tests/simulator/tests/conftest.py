from collections.abc import Iterator

import pytest

from tests.support.simulator import SimulatorProcess


@pytest.fixture(scope="session")
def _running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def simulator(_running: SimulatorProcess) -> SimulatorProcess:
    _running.reset()
    return _running
