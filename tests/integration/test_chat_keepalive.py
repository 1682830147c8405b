"""/chat behind a balancer that ends silent responses: CHAT_KEEPALIVE_SECONDS, through nginx."""

import json

import pytest

from tests.support.nginx import Nginx
from tests.support.service import Service
from tests.support.simulator import directive
from tests.support.sse import Stream


@pytest.fixture(scope="module")
def patient(_simulator):
    with (
        Service(_simulator.base_url, CHAT_KEEPALIVE_SECONDS=0.6) as service,
        Nginx(f"127.0.0.1:{service.port}", CLIENT_MAX_STREAMS=50) as nginx,
    ):
        yield service, nginx


def ask(port, question):
    """Status, headers, and the chunks as they came."""
    with Stream("127.0.0.1", port, {"question": question}, path="/chat") as stream:
        stream.open()
        chunks = [stream.body] if stream.body else list(stream._chunks())
        return stream, chunks


def test_an_answer_that_is_there_in_time_is_as_ever(patient):
    stream, chunks = ask(patient[1].port, directive(tokens=3))
    assert stream.status == 200
    assert "content-length" in stream.headers
    assert json.loads(chunks[0])["finish_reason"] == "stop"


def test_a_long_one_is_spaces_and_then_the_answer(patient):
    stream, chunks = ask(patient[1].port, directive(tokens=10, first=2.5))
    assert stream.status == 200
    assert stream.headers["content-type"] == "application/json"
    assert stream.whole
    assert chunks[0] == b" "
    assert len([each for each in chunks if each == b" "]) >= 3
    answer = json.loads(b"".join(chunks))
    assert len(answer["answer"].split()) == 10
    assert answer["request_id"] == stream.headers["x-request-id"]


def test_a_failure_in_time_is_a_status_and_a_late_one_is_in_the_body(patient):
    soon, _ = ask(patient[1].port, directive(fault="401"))
    assert soon.status == 502
    late, chunks = ask(patient[1].port, directive(fault="401", first=1.5))
    assert late.status == 200
    assert json.loads(b"".join(chunks))["error"]["code"] == "upstream_rejected"


def test_a_caller_who_leaves_meanwhile_ends_the_call_to_the_model(patient):
    stream = Stream(
        "127.0.0.1", patient[1].port, {"question": directive(tokens=3, first=60)}, path="/chat"
    )
    stream.open()
    stream.close()
    turn = patient[0].turn(stream.headers["x-request-id"])
    assert turn["ending"] == "disconnected"
