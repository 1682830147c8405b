"""Log lines for people at a terminal: one short line per turn, warnings in words, stack traces in full."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

STAMPS = ("event", "level", "time", "trace", "logger")
# control characters could move the cursor or clear the screen
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SENTENCES: Mapping[str, str] = {
    "cannot_start": "The service cannot start: {why}",
    "bug": "a bug of this service, not of the model; request {request_id}",
    "prices": "prices: {source}",
    "no_token_encoding": "no tokenizer found: tokens that are not reported are estimated by length",
    "models_without_price": "no price is known for {models}: cost is not counted",
    "access": "open to {open_to}; API keys: {keys}",
    "key_refused": "a request was refused for its API key ({problem}); more of these within a minute are only counted",
    "dependency": "{dependency} reachable: {up}",
    "model_server": "{says} Check {setting}.",
    "models_not_guarded": "models without retries, timeouts and breaker: {models}; wrap them in steps.guarded()",
    "breaker": "the circuit breaker of {model} is {state} for {callers} of its callers",
    "chain_notice": "the chain {chain}: {what}: {effect}",
    "variables_ignored": "{variables}: {effect}",
    "data_dropped": "data of the chain was not sent: {name} ({why})",
}


def text_line(event: Mapping[str, Any]) -> str:
    words = _turn(event) if event["event"] == "turn" else _sentence(event)
    level = "" if event["level"] == "info" else f"{event['level'].upper()}  "
    time = datetime.fromisoformat(event["time"]).astimezone().strftime("%H:%M:%S")
    line = f"{time}  {level}{words}"
    trace = event.get("trace")
    return CONTROL.sub("?", f"{line}\n{_stack(trace)}" if trace else line)


def _turn(event: Mapping[str, Any]) -> str:
    reason = ": ".join(filter(None, (event["code"], event["cause"])))
    first = event["time_to_first_token_seconds"]
    parts = (
        event["ending"] + (f" ({reason})" if reason else ""),
        event["model"],
        _tokens(event),
        _cost(event),
        None if first is None else f"first token {first:.2f} s",
        f"{event['duration_seconds']:.2f} s",
        event["request_id"],
    )
    return "  ".join(filter(None, parts))


def _tokens(event: Mapping[str, Any]) -> str | None:
    if event["tokens_source"] is None:
        return None
    about = "about " if event["tokens_source"] == "estimated" else ""
    return f"{about}{event['input_tokens']} + {event['output_tokens']} tokens"


def _cost(event: Mapping[str, Any]) -> str | None:
    if event["tokens_source"] is None:
        return None
    cost = event["cost_usd"]
    return "price unknown" if cost is None else f"${cost:.6f}" if cost else "$0"


def _sentence(event: Mapping[str, Any]) -> str:
    name = str(event["event"])
    known = SENTENCES.get(name)
    fields = {key: _plain(value) for key, value in event.items() if key not in STAMPS}
    try:
        if known is not None:
            return known.format_map(fields)
    except KeyError:
        pass
    said = [f"{key}={value}" for key, value in fields.items() if value != "None"]
    return " ".join([name, *said])


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _stack(trace: list[dict[str, Any]]) -> str:
    return "\n".join(line for link in trace for line in _link(link))


def _link(link: Mapping[str, Any]) -> list[str]:
    places = [f"    {frame}" for frame in link["frames"]]
    return ["  Traceback (most recent call last):", *places, f"  {link['type']}"]
