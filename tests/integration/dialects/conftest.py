"""A service with each of the two clients, in front of a model server whose every byte a test decides."""

from collections.abc import Iterator

import pytest

from tests.support.model_server import ModelServer
from tests.support.service import Service


@pytest.fixture(scope="session")
def _server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(_server: ModelServer) -> ModelServer:
    """The model server; server.says(...) decides."""
    _server.says()
    return _server


@pytest.fixture(scope="session", params=["lean", "stock"])
def service(request: pytest.FixtureRequest, _server: ModelServer) -> Iterator[Service]:
    """Default settings but for a breaker that stays closed, so that tests can share it."""
    settings = {"BREAKER_FAILURES": 1_000_000, "LLM_CLIENT": request.param}
    with Service(_server.base_url, **settings) as running:
        yield running
