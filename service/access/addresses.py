"""Turns addresses into the users of open access."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

# what a provider assigns to one household or server
IPV6_PREFIX = 64


@lru_cache(maxsize=4096)
def user_of_address(address: str) -> str:
    """The address, or for IPv6 the network that belongs to one customer."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    network = int(parsed) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)
    return f"{IPv6Address(network)}/{IPV6_PREFIX}"
