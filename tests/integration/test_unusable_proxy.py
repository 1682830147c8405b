"""A proxy that cannot be used is one sentence at start, and only where it would be used."""

import pytest

from tests.support.service import Service

SOCKS = "socks5://user:canary-password@proxy.example:1080"

SENTENCE = (
    "The service cannot start: HTTPS_PROXY (or ALL_PROXY) names a socks5 proxy, and only http:// ones "
    "are supported."
)


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_a_proxy_of_another_kind_is_refused_in_one_sentence(client):
    with pytest.raises(RuntimeError) as refusal:
        Service("https://model.example/v1", LLM_CLIENT=client, ALL_PROXY=SOCKS).__enter__()
    lines = [line for line in str(refusal.value).splitlines() if "PROXY" in line]
    assert lines == [SENTENCE]
    assert "canary" not in str(refusal.value)


def test_it_is_no_matter_where_the_model_is_local(serve):
    assert serve(ALL_PROXY=SOCKS).chat()[0] == 200
