"""The settings as the service uses them: every group's fields, what has to fit together, and what follows from them."""

from itertools import chain
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr, model_validator

from service.settings import catalogue
from service.settings.kinds import headers_in

STOP_MARGIN_SECONDS = 15
GRACEFUL_MARGIN_SECONDS = 5


class Settings(
    catalogue.Processes,
    catalogue.LLM,
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
        if not self.api_key and self.openai_base_url == catalogue.OPENAI_BASE_URL:
            raise ValueError(
                "OPENAI_API_KEY is not set, and OPENAI_BASE_URL does not name a server that needs none"
            )
        if self.port == self.metrics_port:
            raise ValueError("PORT and METRICS_PORT must differ")
        needed = self.drain_deadline_seconds + STOP_MARGIN_SECONDS
        if self.stop_grace_seconds is not None and self.stop_grace_seconds < needed:
            raise ValueError(
                f"STOP_GRACE_SECONDS must be at least DRAIN_SECONDS + {STOP_MARGIN_SECONDS} = {needed:g}"
            )
        return self

    @property
    def api_key(self) -> str:
        return self.openai_api_key.get_secret_value()

    @property
    def models(self) -> tuple[str, ...]:
        """The models a request may name; the first is the default."""
        return tuple(dict.fromkeys((self.llm_model, *self.llm_models)))

    @property
    def drain_deadline_seconds(self) -> float:
        """From SIGTERM until running answers are ended: by default later than any turn can last."""
        return self.turn_timeout_seconds + 5 if self.drain_seconds is None else self.drain_seconds

    @property
    def graceful_timeout_seconds(self) -> int:
        """When gunicorn kills what is left; the app's own drain has ended everything before."""
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
        """Prices that win over the shipped ones."""
        return Path(self.prices_file) if self.prices_file else None


def _secrets_of(address: str) -> list[str]:
    """What an address may hold beside a place: a password, and keys in its query."""
    url = urlsplit(address)
    values = [value for _, value in parse_qsl(url.query) if len(value) >= 12]
    return [url.password or "", unquote(url.password or ""), *values]


class CommandSettings(catalogue.LLM, catalogue.Access):
    """What the commands at a terminal need: no upstream is asked, so none has to be named."""

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that a key could be for."""
        return tuple(filter(None, (self.llm_model, *self.llm_models, self.fallback_model)))


# each may come from a file instead, named by NAME_FILE
SECRETS = tuple(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
)
