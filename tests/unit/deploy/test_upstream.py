"""Whether the provider can be reached, as far as the launcher can say."""

import socket

import pytest

from deploy.local import upstream


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.fixture
def refusing():
    # bound, so that nobody else takes it, but not listening
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"


def test_what_listens_is_reachable(listening):
    assert upstream.is_reachable({"OPENAI_BASE_URL": listening})


def test_what_refuses_is_not(refusing):
    assert not upstream.is_reachable({"OPENAI_BASE_URL": refusing})


def test_a_name_without_an_address_is_not():
    assert not upstream.is_reachable({"OPENAI_BASE_URL": "http://model.invalid/v1"})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_empty_proxy_variable_names_no_proxy(name):
    assert not upstream.is_reachable({"OPENAI_BASE_URL": "http://model.invalid/v1", name: ""})


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"HTTP_PROXY": "http://proxy.invalid:3128"},
        {"LLM_MODEL": "anthropic:claude-sonnet-4-5"},
    ],
)
def test_behind_a_proxy_and_for_another_provider_only_the_service_can_say(elsewhere):
    assert upstream.is_reachable({"OPENAI_BASE_URL": "http://model.invalid/v1", **elsewhere})


def test_a_proxy_that_is_not_used_for_this_host_does_not_matter(refusing):
    proxy = {"HTTP_PROXY": "http://proxy.invalid:3128"}
    assert not upstream.is_reachable({"OPENAI_BASE_URL": refusing, **proxy})
