"""What each client has of each way an answer can end, before and after its first text. None takes half an answer for
a whole one.
"""

from pathlib import Path

import pytest

from service.web.openai_errors import CODES
from service.web.openai_frames import Chunks
from tests.support.contract import PROMISES
from tests.support.openai_clients import NAMES, every_client
from tests.support.service import Service
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, cut, whole

CHAIN = Path(__file__).with_name("endings.py").read_text()
# a turn ends so, or nobody knows how to ask for it
TURN_CODES = [code for code, promise in PROMISES.items() if promise.ending]
BY_STATUS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    **dict.fromkeys((500, 502, 503, 504), "InternalServerError"),
}
# for the other statuses their most general class
GENERAL = {"openai-python": "APIStatusError", "openai-node": "APIError"}


@pytest.fixture(scope="module")
def clients():
    with every_client() as clients:
        yield clients


@pytest.fixture(scope="module")
def service():
    settings = {"OPENAI_API_KEY": "sk-test-0123456789", "BREAKER_FAILURES": 100_000}
    with Service("http://127.0.0.1:9/v1", chain=CHAIN, **settings) as running:
        yield running


@pytest.fixture
def ask(clients, service):
    def ask(client, question, *, streams):
        return clients[client](service.url, question, model="sim", streams=streams)

    return ask


WAYS = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
EACH = pytest.mark.parametrize("client", NAMES)


@WAYS
@EACH
def test_an_answer_is_a_success(ask, client, streams):
    found = ask(client, "fine all of it", streams=streams)
    assert (found.error, found.text, found.finish) == (None, "all of it", "stop")
    assert found.usage is not None or client == "openai-node runner"


@WAYS
@EACH
def test_before_the_first_text_each_code_is_an_error_with_a_status(ask, client, streams):
    for code in TURN_CODES:
        found = ask(client, code, streams=streams)
        assert found.text == ""
        assert found.error, code
        assert found.error.status == PROMISES[code].status
        if client in GENERAL:
            assert found.error.kind == BY_STATUS.get(found.error.status, GENERAL[client]), code
            assert found.error.requestId
        if client != "litellm":
            assert found.error.code == CODES.get(code, code)


@EACH
def test_after_the_first_text_each_code_is_an_error(ask, client):
    for code in TURN_CODES:
        found = ask(client, f"{code} half of it", streams=True)
        assert found.text in ("half of it", "")
        assert found.error, code
        assert found.finish is None
        if client in ("openai-python", "openai-node", "langchain"):
            assert (found.error.kind, found.error.code) == ("APIError", CODES.get(code, code))


@WAYS
@EACH
def test_a_connection_that_ends_in_mid_answer_is_no_success(clients, client, streams):
    """As where a machine dies: nothing more can be said."""
    chunks = Chunks("chatcmpl-1", 1, "sim", events=False)
    half = (
        [STREAM_HEAD, chunk(chunks.text("half of it"))] if streams else [whole(200, b"{" * 99)[:-9]]
    )

    def dies(_request, connection):
        connection.sendall(b"".join(half))
        cut(connection)

    with Upstream(dies) as upstream:
        asked = clients[client]
        found = asked(f"http://{upstream.address}", "hi", model="sim", streams=streams)
    assert found.error
    assert found.finish is None
