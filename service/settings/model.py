"""The settings as the service uses them: every group's fields, cross-checks and derived values."""

from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr, model_validator

from service.settings import catalogue, llm_catalogue, names
from service.settings.kinds import headers_in
from service.settings.names import ModelName

STOP_MARGIN_SECONDS = 15
GRACEFUL_MARGIN_SECONDS = 5


class ReachedBy(NamedTuple):
    """The settings for a provider's address and key."""

    address: str
    key: str
    needs_key: bool = True


REACHED_BY = {
    names.OPENAI: ReachedBy("openai_base_url", "openai_api_key"),
    "anthropic": ReachedBy("anthropic_base_url", "anthropic_api_key"),
    "google_genai": ReachedBy("google_gemini_base_url", "google_api_key"),
    "azure_openai": ReachedBy("azure_openai_endpoint", "azure_openai_api_key"),
    "ollama": ReachedBy("ollama_host", "ollama_api_key", needs_key=False),
}


class Settings(
    catalogue.Processes,
    llm_catalogue.LLM,
    llm_catalogue.OtherProviders,
    catalogue.Requests,
    catalogue.Concurrency,
    catalogue.Deadlines,
    catalogue.Stopping,
    catalogue.Failures,
    catalogue.Access,
    catalogue.WebAndLogs,
):
    """One field per setting that the service reads: the variable's name in lower case."""

    @model_validator(mode="after")
    def _refuse_what_cannot_run(self) -> Self:
        self._refuse_mixed_providers()
        self._refuse_missing_key(self.provider, self.address, self.api_key)
        if self.fallback:
            self._refuse_missing_key(
                self.fallback.provider, self.fallback_address, self.fallback_key
            )
        if self.port == self.metrics_port:
            raise ValueError("PORT and METRICS_PORT must differ")
        needed = self.drain_deadline_seconds + STOP_MARGIN_SECONDS
        if self.stop_grace_seconds is not None and self.stop_grace_seconds < needed:
            raise ValueError(
                f"STOP_GRACE_SECONDS must be at least DRAIN_SECONDS + {STOP_MARGIN_SECONDS} = {needed:g}"
            )
        return self

    def _refuse_mixed_providers(self) -> None:
        for written in self.llm_models:
            if names.parse(written).provider != self.provider:
                prefix = "" if self.provider == names.OPENAI else f"{self.provider}:"
                raise ValueError(
                    f"LLM_MODELS: {written} belongs to another provider than LLM_MODEL; write {prefix}NAME"
                )

    def _refuse_missing_key(self, provider: str, address: str, key: str) -> None:
        """A server at another address may need no key."""
        reached = REACHED_BY.get(provider)
        if (
            reached
            and reached.needs_key
            and not key
            and address in ("", llm_catalogue.OPENAI_BASE_URL)
        ):
            raise ValueError(
                f"{reached.key.upper()} is not set, and {reached.address.upper()} does not name a server "
                "that needs none"
            )

    @property
    def provider(self) -> str:
        """The provider whose models a request may choose."""
        return names.parse(self.llm_model).provider

    @property
    def models(self) -> tuple[str, ...]:
        """The models a request may name, without their provider; the first is the default."""
        written = (self.llm_model, *self.llm_models)
        return tuple(dict.fromkeys(names.parse(one).name for one in written))

    @property
    def fallback(self) -> ModelName | None:
        return names.parse(self.fallback_model) if self.fallback_model else None

    @property
    def providers(self) -> set[str]:
        return {self.provider} | ({self.fallback.provider} if self.fallback else set())

    @property
    def address(self) -> str:
        """Empty: the provider's default."""
        return self._address_of(self.provider)

    @property
    def api_key(self) -> str:
        return self._key_for(self.provider)

    def headers_at(self, address: str) -> dict[str, str]:
        """The extra headers, only for the server they are meant for: they may contain a key."""
        return self.extra_headers if address == self.openai_base_url else {}

    @property
    def own_client_addresses(self) -> set[str]:
        """The servers that our own client calls, rather than a provider's package."""
        primary = {self.address} if self.provider == names.OPENAI else set()
        is_fallback = self.fallback is not None and self.fallback.provider == names.OPENAI
        return primary | ({self.fallback_address} if is_fallback else set())

    @property
    def fallback_address(self) -> str:
        return (
            self.fallback_base_url
            or (self.fallback and self._address_of(self.fallback.provider))
            or ""
        )

    @property
    def fallback_key(self) -> str:
        """The fallback's own key, or its provider's, which is sent to that provider's address only."""
        own = self.fallback_api_key.get_secret_value()
        if own or self.fallback is None:
            return own
        provider = self.fallback.provider
        return (
            self._key_for(provider) if self.fallback_address == self._address_of(provider) else ""
        )

    def _address_of(self, provider: str) -> str:
        reached = REACHED_BY.get(provider)
        return str(getattr(self, reached.address)) if reached else ""

    def _key_for(self, provider: str) -> str:
        reached = REACHED_BY.get(provider)
        key: SecretStr = getattr(self, reached.key) if reached else SecretStr("")
        return key.get_secret_value()

    @property
    def for_packages(self) -> dict[str, str]:
        """Keys by the variables that providers' packages read, whatever their source: chains' own models use them."""
        keys = {reached.key.upper(): self._key_for(name) for name, reached in REACHED_BY.items()}
        return {variable: key for variable, key in keys.items() if key}

    @property
    def published_by(self) -> str:
        """The setting that lets other machines in, as it was written; empty if there is none."""
        if self.domain:
            return f"DOMAIN={self.domain[0]}"
        return "" if _is_loopback(self.bind_address) else f"BIND_ADDRESS={self.bind_address}"

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach the service."""
        return _is_loopback(self.host)

    @property
    def drain_deadline_seconds(self) -> float:
        """From SIGTERM until running answers are ended: by default longer than any turn."""
        return self.turn_timeout_seconds + 5 if self.drain_seconds is None else self.drain_seconds

    @property
    def graceful_timeout_seconds(self) -> int:
        """When gunicorn kills whatever is left; the app's own drain has ended everything before that."""
        return int(self.drain_deadline_seconds + GRACEFUL_MARGIN_SECONDS + 0.999)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for redaction."""
        held = [getattr(self, name).get_secret_value() for name in SECRETS]
        headers = [value for value in self.extra_headers.values() if len(value) >= 12]
        addresses = map(_secrets_of, (self.openai_base_url, self.fallback_base_url))
        return tuple(filter(None, (*held, *headers, *chain.from_iterable(addresses))))

    @property
    def extra_headers(self) -> dict[str, str]:
        return headers_in(self.openai_extra_headers.get_secret_value())

    @property
    def prices_path(self) -> Path | None:
        """Prices that override the shipped ones."""
        return Path(self.prices_file) if self.prices_file else None


def _secrets_of(address: str) -> list[str]:
    """The secrets an address may contain: a password, and keys in its query."""
    url = urlsplit(address)
    values = [value for _, value in parse_qsl(url.query) if len(value) >= 12]
    return [url.password or "", unquote(url.password or ""), *values]


class CommandSettings(llm_catalogue.LLM, catalogue.Access):
    """What the terminal commands need: they call no model, so none has to be configured."""

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that a key can be limited to."""
        return tuple(filter(None, (self.llm_model, *self.llm_models, self.fallback_model)))


# each may come from a file named by NAME_FILE instead
SECRETS = tuple(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
)


def _is_loopback(address: str) -> bool:
    try:
        # docker compose wants IPv6 addresses in brackets
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
