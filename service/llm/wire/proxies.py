"""Finds the proxy for a server, if any: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

Also used in gunicorn's master, so it does not import urllib.request, which loads ssl.
"""

import os
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from service.llm.wire.address import Address

LOCAL_SUFFIXES = (".localhost", ".internal", ".local")


class UnusableProxy(ValueError):
    """The environment names a proxy that the client cannot use."""


def proxy_for(address: Address, environment: Mapping[str, str] = os.environ) -> SplitResult | None:
    """Raises UnusableProxy."""
    variables = _lower_case(environment)
    named = variables.get(f"{address.scheme}_proxy") or variables.get("all_proxy")
    if not named or _is_local(address.host):
        return None
    if _excepted(address, variables.get("no_proxy", "")):
        return None
    return _proxy(named, f"{address.scheme.upper()}_PROXY")


def _lower_case(environment: Mapping[str, str]) -> dict[str, str]:
    """As usual, http_proxy takes precedence over HTTP_PROXY."""
    capitals_first = sorted(environment)
    return {name.lower(): environment[name] for name in capitals_first}


def _proxy(named: str, variable: str) -> SplitResult:
    try:
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        usable = bool(proxy.hostname) and proxy.port != 0
    except ValueError:
        # the error's text would repeat the address, which may contain a password
        usable = False
    if not usable:
        raise UnusableProxy(f"{variable} (or ALL_PROXY) is no address of a proxy")
    if proxy.scheme != "http":
        raise UnusableProxy(
            f"{variable} (or ALL_PROXY) names a {proxy.scheme} proxy, and only http:// ones are supported"
        )
    return proxy


def _is_local(host: str) -> bool:
    """This machine, and names that only a local resolver knows: compose services and machines of the local network."""
    ip = _ip(host)
    if ip is not None:
        return ip.is_loopback or ip.is_link_local or ip.is_unspecified
    return "." not in host or host.endswith(LOCAL_SUFFIXES)


def _excepted(address: Address, no_proxy: str) -> bool:
    entries = (entry.strip().lower() for entry in no_proxy.replace(",", " ").split())
    return any(_matches(entry, address) for entry in entries)


def _matches(entry: str, address: Address) -> bool:
    """An entry is *, a network, an address, or a domain including its subdomains, optionally with a port."""
    if entry == "*":
        return True
    ip = _ip(address.host)
    if ip is not None and _in_network(ip, entry):
        return True
    name, _, port = entry.rpartition(":")
    if name and port.isdigit() and ":" not in name.strip("[]"):
        return int(port) == address.port and _matches(name, address)
    domain = entry.strip("[]").removeprefix("*").lstrip(".")
    return bool(domain) and (address.host == domain or address.host.endswith(f".{domain}"))


def _in_network(ip: IPv4Address | IPv6Address, entry: str) -> bool:
    try:
        return ip in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
