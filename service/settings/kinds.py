"""The types of a setting's value; `title` is its name in the documentation."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

POSTGRESQL_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
REDIS_SCHEMES = ("redis", "rediss", "unix")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
FRAMING_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade"}
)


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _none(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() == "none" else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _switched(value: Any) -> Any:
    """The other words that a setting of true or false takes."""
    word = str(value).strip().lower()
    if word in ("1", "yes", "y", "on", "t"):
        return "true"
    return "false" if word in ("0", "no", "n", "off", "f") else word


def _is_url(value: str) -> str:
    if value and not _is_http(value):
        raise ValueError("must be an http:// or https:// address")
    return value.rstrip("/")


def _is_http(address: str) -> bool:
    try:
        url = urlsplit(address)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        # the exception's text would repeat the address, which may contain a password
        return False


def _fits_into_a_header(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("must be one line of ASCII characters without spaces")
    return value


def headers_in(text: str) -> dict[str, str]:
    """`name: value`, by semicolons or line by line. Raises ValueError."""
    headers = {}
    for pair in filter(None, (part.strip() for part in re.split(r"[;\r\n]", text))):
        name, found, value = (part.strip() for part in pair.partition(":"))
        if not found or not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise ValueError("must be `name: value` pairs in ASCII, separated by semicolons")
        if name.lower() in FRAMING_HEADERS:
            raise ValueError("may not hold the headers that frame a request")
        headers[name] = value
    return headers


def _are_headers(value: SecretStr) -> SecretStr:
    headers_in(value.get_secret_value())
    return value


def _is_redis_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        there = bool(url.port or url.hostname or url.path)
        usable = url.scheme in REDIS_SCHEMES and there and _are_labels(url.hostname)
    except ValueError:
        # the exception's text quotes the supposed port, which may be part of a password with a slash
        usable = False
    if value and not usable:
        raise ValueError("must be redis://[:password@]host[:port], the password percent-encoded")
    return value


def _are_labels(hosts: str | None) -> bool:
    """Raises ValueError for a host name that no client could look up, such as db..example."""
    for host in (hosts or "").split(","):
        host.encode("idna")
    return True


def _is_database_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        there = url.hostname if url.scheme in POSTGRESQL_SCHEMES else url.scheme == "sqlite"
        # an invalid port raises
        usable = bool(there and url.path.strip("/") and url.port != 0)
        # what follows an @ in a password would be taken for the host
        misread = url.fragment or "@" in f"{url.password}{url.path}"
        usable = usable and (url.scheme == "sqlite" or not misread) and _are_labels(url.hostname)
    except ValueError:
        usable = False
    if value and not usable:
        raise ValueError(
            "must be postgresql://user:password@host/database, the password percent-encoded"
        )
    return value


def _are_explicit(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not host or any(c in host for c in "/*?#@ "):
            raise ValueError("each origin must be scheme://host[:port], without a path, and not *")
    return value


def _are_host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    if any(mark in name for name in value for mark in "/:@ "):
        raise ValueError("must be host names such as chat.example.com, without https:// or a port")
    return value


def _is_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("is not the name of a time zone, such as Asia/Seoul") from None
    return value


def _is_address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def _file_exists(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError("there is no such file")
    return value


Host = Annotated[str, AfterValidator(_is_address), Field(title="address")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
# longer than this without output, and the chat page considers the service unreachable
ShortWait = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Heartbeat = Annotated[float, Field(gt=0, le=20, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Cores = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Memory = Annotated[str, Field(title="size")]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(title="list")]
Origins = Annotated[Names, AfterValidator(_are_explicit)]
HostNames = Annotated[Names, AfterValidator(_are_host_names)]
Url = Annotated[str, AfterValidator(_is_url), Field(title="URL")]
File = Annotated[str, Field(title="file")]
ExistingFile = Annotated[File, AfterValidator(_file_exists)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_fits_into_a_header)]
Headers = Annotated[SecretStr, AfterValidator(_are_headers)]
RedisUrl = Annotated[SecretStr, AfterValidator(_is_redis_url)]
TimeZone = Annotated[str, AfterValidator(_is_time_zone), Field(title="time zone")]
StrippedTags = Annotated[Literal["false", "true", "unopened"], BeforeValidator(_switched)]
AccessMode = Literal["auto", "keys", "open"]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_is_database_url)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]

# Annotated[Count | None, NONE_ALLOWED]: the word `none` means that the value is not sent
NONE_ALLOWED = BeforeValidator(_none)
# Annotated[Count, NGINX]: nginx reads it, too
NGINX = Field(json_schema_extra={"nginx": True})
