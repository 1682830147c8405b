"""A model server whose bytes each test decides."""

import pytest

from tests.support.model_server import ModelServer


@pytest.fixture(scope="module")
def _server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(_server):
    _server.says()
    return _server
