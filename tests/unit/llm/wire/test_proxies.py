"""Proxies of the environment, and what they are never asked for."""

import pytest

from service.llm.wire.address import parse
from service.llm.wire.proxies import UnusableProxy, proxy_for

PROXY = "http://proxy.example:3128"


def via(base_url, no="", **proxies):
    named = proxies or {"http": PROXY, "https": PROXY}
    environment = {f"{scheme.upper()}_PROXY": value for scheme, value in named.items()}
    proxy = proxy_for(parse(base_url), {**environment, "NO_PROXY": no})
    return proxy and proxy.geturl()


@pytest.mark.parametrize(
    "host",
    ["localhost", "llm", "service", "127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0", "169.254.1.1",
     "host.docker.internal", "a.localhost", "printer.local"],
)  # fmt: skip
def test_what_is_local_is_never_proxied(host):
    assert via(f"http://{host}:8080/v1") is None


def test_the_variable_in_small_letters_wins():
    address = parse("http://h.example/v1")
    assert proxy_for(address, {"http_proxy": "", "HTTP_PROXY": PROXY}) is None
    assert proxy_for(address, {"no_proxy": "*", "NO_PROXY": "", "http_proxy": PROXY}) is None
    assert proxy_for(address, {"HTTP_PROXY": "http://other", "http_proxy": PROXY}).geturl() == PROXY


@pytest.mark.parametrize("host", ["api.openai.com", "10.1.2.3", "[2001:db8::1]", "model.example"])
def test_what_is_elsewhere_is(host):
    assert via(f"https://{host}/v1") == PROXY


def test_each_scheme_has_its_proxy_and_all_serves_both():
    assert via("https://h.example/v1", http=PROXY) is None
    assert via("http://h.example/v1", http=PROXY) == PROXY
    assert via("https://h.example/v1", all=PROXY) == PROXY
    assert via("https://h.example/v1", https="proxy.example:8") == "http://proxy.example:8"
    assert via("https://h.example/v1", https="") is None


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("h.example", "*"),
        ("h.example", "h.example"),
        ("a.h.example", "h.example"),
        ("a.h.example", ".h.example"),
        ("a.h.example", "*.h.example"),
        ("h.example", "other.example, H.EXAMPLE"),
        ("h.example", "other.example h.example"),
        ("h.example", "h.example:443"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "172.16.0.0/12,10.1.2.3"),
        ("10.1.2.3", "10.1.2.3:443"),
        ("10.1.2.3", "10.1.2.3/16"),
        ("[2001:db8::1]", "2001:db8::/32"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_no_proxy_knows_domains_addresses_networks_and_ports(host, no_proxy):
    assert via(f"https://{host}/v1", no=no_proxy) is None


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("h.example", ""),
        ("h.example", "ample"),
        ("noth.example", "h.example"),
        ("h.example", "h.example:80"),
        ("h.example", "10.0.0.0/8"),
        ("11.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/99, nonsense/8, :, ,"),
    ],
)
def test_no_proxy_excepts_nothing_else(host, no_proxy):
    assert via(f"https://{host}/v1", no=no_proxy) == PROXY


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://user:canary@p.example:1", "HTTPS_PROXY (or ALL_PROXY) names a socks5 proxy"),
        ("https://user:canary@p.example:1", "HTTPS_PROXY (or ALL_PROXY) names a https proxy"),
        ("http://", "HTTPS_PROXY (or ALL_PROXY) is no address"),
        ("http://user:canary/x@p:1", "HTTPS_PROXY (or ALL_PROXY) is no address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_in_one_sentence(proxy, said):
    with pytest.raises(UnusableProxy) as refusal:
        via("https://h.example/v1", https=proxy)
    assert str(refusal.value).startswith(said)
    assert "canary" not in str(refusal.value)
    assert via("https://localhost/v1", https=proxy) is None
