"""Turns off what provider SDKs do behind the guard's back: retries, and unlimited waits."""

from functools import partial
from typing import Any

RETRIES = ("max_retries", "retries")
TIMEOUTS = ("request_timeout", "default_request_timeout", "timeout")
CLIENTS = ("root_client", "client", "_client")
# created from the fields on first use
MADE_ONCE = ("_client", "_async_client", "_client_params")
# gRPC blocks all other greenlets while it waits
COOPERATIVE = "rest"
GOOGLE_CALLS = ("generate_content", "stream_generate_content")


class Unguardable(ValueError):
    """The model cannot be guarded."""


def without_retries(model: Any) -> None:
    """The guard retries instead. Raises Unguardable if the class's own retries cannot be turned off."""
    _set_fields(model, RETRIES, 0)
    _each_client(model, max_retries=0)
    if "transport" in type(model).model_fields:
        _use_rest(model)


def with_timeouts(model: Any, connect_seconds: float, read_seconds: float) -> None:
    """Sets timeouts as a backstop for the guard's own deadlines. Raises Unguardable."""
    _set_fields(model, TIMEOUTS, read_seconds)
    for name in CLIENTS:
        held: Any = getattr(model, name, None)
        copied = hasattr(held, "with_options") or hasattr(_inner(held), "with_options")
        http: Any = _inner(held if hasattr(held, "with_options") else _inner(held))
        kind = type(getattr(http, "timeout", None))
        if kind.__name__ != "Timeout":
            continue
        timeout: Any = kind(read_seconds, connect=connect_seconds)  # type: ignore[misc]
        http.timeout = timeout
        if copied:
            _each_client(model, timeout=timeout)


def _inner(client: Any) -> Any:
    return getattr(client, "_client", client)


def _set_fields(model: Any, names: tuple[str, ...], value: float) -> None:
    kind = type(model)
    for name in names:
        if name not in kind.model_fields:
            continue
        try:
            setattr(model, name, value)
        except Exception as error:  # noqa: BLE001 - classes may be frozen, or check what is set
            raise Unguardable(
                f"{kind.__name__}.{name} cannot be set to {value}: {type(error).__name__}"
            ) from None
    for name in MADE_ONCE:
        model.__dict__.pop(name, None)


def _each_client(model: Any, **options: Any) -> None:
    """Clients of OpenAI, Anthropic and others from the same generator, which can be copied with other options."""
    for name in CLIENTS:
        held: Any = getattr(model, name, None)
        if hasattr(held, "with_options"):
            model.__dict__[name] = held.with_options(**options)
        elif hasattr(_inner(held), "with_options"):
            model.__dict__[name] = type(held)(_inner(held).with_options(**options))


def _use_rest(model: Any) -> None:
    """Makes Google's client use HTTP, without the retries it makes below LangChain's."""
    _set_fields(model, ("transport",), COOPERATIVE)  # type: ignore[arg-type]
    model.validate_environment()
    for name in GOOGLE_CALLS:
        setattr(model.client, name, partial(getattr(model.client, name), retry=None))
    # it retries with a new token after a rejected key
    model.client.transport._session._max_refresh_attempts = 0  # noqa: SLF001
