"""Parses the address of a model server, in whatever form it was written."""

import base64
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

# openai and azure run the original API, which requires its newest parameter names
Kind = Literal["openai", "azure", "other"]

CHAT = "/chat/completions"
MODELS = "/models"
# characters kept as they are; all others are percent-encoded
WRITTEN = "%/:?@!$&'()*+,;=~[]"
OPENAI_HOSTS = ("api.openai.com",)
AZURE_HOSTS = ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")


@dataclass(frozen=True)
class Address:
    """path: without the resource. query: as written, may contain a key. basic: user and password in the address."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    query: str = field(repr=False)
    basic: str | None = field(repr=False)

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def kind(self) -> Kind:
        if _belongs_to(self.host, OPENAI_HOSTS):
            return "openai"
        return "azure" if _belongs_to(self.host, AZURE_HOSTS) else "other"

    def target(self, resource: str) -> str:
        """The target in the request line."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.path}{resource}{query}"

    def shown(self, resource: str = "") -> str:
        """For people and logs: without user, password and query."""
        return f"{self.origin}{self.path}{resource}"


def parse(base_url: str, *, whole: bool = False) -> Address:
    """whole: the address is the resource itself, not a base. Raises ValueError."""
    url = urlsplit(base_url)
    host = _ascii(url.hostname or "")
    return Address(
        scheme=url.scheme,
        host=host,
        port=url.port or (443 if url.scheme == "https" else 80),
        netloc=_netloc(host, url.port),
        path=quote(url.path if whole else _base(url.path), safe=WRITTEN),
        query=quote(url.query, safe=WRITTEN),
        basic=basic_credentials(url),
    )


def basic_credentials(url: SplitResult) -> str | None:
    """An address's user and password as a header value; None without a user."""
    if url.username is None:
        return None
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _base(path: str) -> str:
    """Removes the resource: people copy complete addresses from examples."""
    return path.rstrip("/").removesuffix(CHAT)


def _netloc(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _ascii(host: str) -> str:
    """The form for headers and resolvers: bücher.example becomes xn--bcher-kva.example."""
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return host


def _belongs_to(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in names)
