"""Restores ledger rows from the service's log, where each finished turn has a line with everything its row needs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from service.access.ledger import Call, Facts, LedgerRow
from service.access.money import picodollars

EVENT = '"event":"turn"'


def rows_of(lines: Iterable[str]) -> Iterator[LedgerRow | None]:
    """Yields None for a turn's line that is incomplete. Prefixes added by container engines are skipped."""
    for line in lines:
        if EVENT in line.replace(" ", ""):
            yield _row(line[line.find("{") :])


def _row(text: str) -> LedgerRow | None:
    try:
        return _from_log(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _from_log(line: Mapping[str, Any]) -> LedgerRow:
    facts = Facts(
        turn_id=str(UUID(line["turn_id"])),
        request_id=line["request_id"],
        key=line["key"],
        user_id=line["key_user"],
        route=line["route"],
        chain=line.get("chain"),
        model=line.get("model"),
    )
    return LedgerRow(
        facts=facts,
        ending=line["ending"],
        code=line["code"],
        ended_at_us=int(datetime.fromisoformat(line["time"]).timestamp() * 1_000_000),
        duration_ms=int(line["duration_seconds"] * 1000),
        calls=tuple(_call(attempt) for attempt in line["attempts"] if attempt["source"]),
    )


def _call(attempt: Mapping[str, Any]) -> Call:
    cost_usd = attempt["cost_usd"]
    return Call(
        model=attempt["model"],
        input_tokens=attempt["input_tokens"],
        output_tokens=attempt["output_tokens"],
        cached_input_tokens=attempt.get("cached_input_tokens") or 0,
        estimated=attempt["source"] == "estimated",
        cost=None if cost_usd is None else picodollars(cost_usd),
    )
