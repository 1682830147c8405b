"""What a turn's caller gets for what each route yields, which routes were called, and what each was sent."""

from dataclasses import dataclass, field

import pytest

from tests.unit.resilience.fakes import World, whole
from tests.unit.resilience.scripts import (
    CUT,
    DOWN,
    EMPTY,
    ENDLESS_THINKING,
    FILTERED,
    FILTERED_LATER,
    FULL,
    GOOD,
    LIMITED,
    LIMITED_LONG,
    NO_CREDIT,
    OTHER,
    OVERFLOW,
    REFUSED,
    SILENT,
    STALLED,
    THINKING,
    TOO_LONG,
    UNCONNECTED,
    UNTRUSTED,
)


@dataclass
class Case:
    """main, spare: what each model plays, call by call; spare None: there is no fallback."""

    name: str
    main: list
    told: str
    asked: str
    results: str
    spare: list | None = None
    heard: list = field(default_factory=list)


RETRIED = ("retried", "upstream_error")
TABLE = [
    Case("whole", [GOOD], "whole answer= main", "main", "ok"),
    Case(
        "made good by retries",
        [DOWN, LIMITED, GOOD],
        "whole answer= main",
        "main main main",
        "upstream_error upstream_rate_limited ok",
        heard=[RETRIED, ("retried", "upstream_rate_limited")],
    ),
    Case(
        "down",
        [DOWN, DOWN, DOWN],
        "# upstream_error",
        "main main main",
        "upstream_error upstream_error upstream_error",
        heard=[RETRIED, RETRIED],
    ),
    Case("silent is not asked again", [SILENT], "# upstream_timeout", "main", "upstream_timeout"),
    Case("refused", [REFUSED], "# upstream_rejected", "main", "upstream_rejected"),
    Case("untrusted", [UNTRUSTED], "# upstream_error", "main", "upstream_error"),
    Case("local overload", [FULL], "# overloaded", "main", "overloaded", spare=[]),
    Case(
        "a long Retry-After",
        [LIMITED_LONG],
        "# upstream_rate_limited",
        "main",
        "upstream_rate_limited",
        heard=[("denied", "retry_after")],
    ),
    Case(
        "a long Retry-After, and a fallback",
        [LIMITED_LONG],
        "another answer= spare",
        "main spare",
        "upstream_rate_limited ok",
        spare=[OTHER],
        heard=[("denied", "retry_after"), ("fell_back", "upstream_rate_limited")],
    ),
    Case(
        "the fallback after all retries",
        [DOWN, DOWN, DOWN],
        "another answer= spare",
        "main main main spare",
        "upstream_error upstream_error upstream_error ok",
        spare=[OTHER],
        heard=[RETRIED, RETRIED, ("fell_back", "upstream_error")],
    ),
    Case(
        "the fallback has attempts of its own",
        [SILENT],
        "another answer= spare",
        "main spare spare",
        "upstream_timeout upstream_error ok",
        spare=[DOWN, OTHER],
        heard=[("fell_back", "upstream_timeout"), RETRIED],
    ),
    *(
        Case(
            f"the first failure is told when the fallback's is {result}",
            [LIMITED_LONG],
            "# upstream_rate_limited",
            "main spare",
            f"upstream_rate_limited {result}",
            spare=[script],
            heard=[("denied", "retry_after"), ("fell_back", "upstream_rate_limited")],
        )
        for script, result in [
            (SILENT, "upstream_timeout"),
            (REFUSED, "upstream_rejected"),
            (FILTERED, "content_filtered"),
            (TOO_LONG, "upstream_invalid_request"),
            (OVERFLOW, "upstream_invalid_request"),
            (NO_CREDIT, "upstream_quota_exhausted"),
            (FULL, "overloaded"),
        ]
    ),
    Case(
        "both down",
        [SILENT],
        "# upstream_timeout",
        "main spare",
        "upstream_timeout upstream_rejected",
        spare=[REFUSED],
        heard=[("fell_back", "upstream_timeout")],
    ),
    Case(
        "refused, and a fallback",
        [REFUSED],
        "another answer= spare",
        "main spare",
        "upstream_rejected ok",
        spare=[OTHER],
        heard=[("fell_back", "upstream_rejected")],
    ),
    Case(
        "a policy refusal is not routed around",
        [FILTERED],
        "# content_filtered",
        "main",
        "content_filtered",
        spare=[],
    ),
    Case(
        "nor is one after content",
        [FILTERED_LATER],
        "half # content_filtered",
        "main",
        "content_filtered",
        spare=[],
    ),
    Case(
        "nor is a request that is not valid",
        [TOO_LONG],
        "# upstream_invalid_request",
        "main",
        "upstream_invalid_request",
        spare=[],
    ),
    Case(
        "a context overflow goes to the fallback, which may hold more",
        [OVERFLOW],
        "another answer= spare",
        "main spare",
        "upstream_invalid_request ok",
        spare=[OTHER],
        heard=[("fell_back", "upstream_invalid_request")],
    ),
    Case(
        "a context overflow without a fallback",
        [OVERFLOW],
        "# upstream_invalid_request",
        "main",
        "upstream_invalid_request",
    ),
    Case(
        "an account without credit is not asked again",
        [NO_CREDIT],
        "# upstream_quota_exhausted",
        "main",
        "upstream_quota_exhausted",
    ),
    Case(
        "an account without credit, and a fallback",
        [NO_CREDIT],
        "another answer= spare",
        "main spare",
        "upstream_quota_exhausted ok",
        spare=[OTHER],
        heard=[("fell_back", "upstream_quota_exhausted")],
    ),
    Case(
        "an empty answer is asked for once more",
        [EMPTY, GOOD],
        "whole answer= main",
        "main main",
        "answer_empty ok",
        heard=[("retried", "answer_empty")],
    ),
    Case(
        "empty twice",
        [EMPTY, EMPTY],
        "# answer_empty",
        "main main",
        "answer_empty answer_empty",
        heard=[("retried", "answer_empty")],
    ),
    Case(
        "empty twice, and a fallback",
        [EMPTY, EMPTY],
        "another answer= spare",
        "main main spare",
        "answer_empty answer_empty ok",
        spare=[OTHER],
        heard=[("retried", "answer_empty"), ("fell_back", "answer_empty")],
    ),
    Case(
        "a connection that is not made in time is tried once more",
        [UNCONNECTED, UNCONNECTED],
        "# upstream_timeout",
        "main main",
        "upstream_timeout upstream_timeout",
        heard=[("retried", "upstream_timeout")],
    ),
    Case(
        "thinking is no answer: what fails in it is asked again, and nobody sees it",
        [[*THINKING, *DOWN], GOOD],
        "whole answer= main",
        "main main",
        "upstream_error ok",
        heard=[RETRIED],
    ),
    Case(
        "thinking without end goes to the fallback",
        [ENDLESS_THINKING],
        "another answer= spare",
        "main spare",
        "upstream_timeout ok",
        spare=[OTHER],
        heard=[("fell_back", "upstream_timeout")],
    ),
    Case(
        "cut, and restarted by the fallback",
        [CUT],
        "half an !spareanother answer= spare",
        "main spare",
        "upstream_error ok",
        spare=[OTHER],
        heard=[("restarted", "upstream_error")],
    ),
    Case(
        "stalled, and restarted by the fallback",
        [STALLED],
        "half an !spareanother answer= spare",
        "main spare",
        "upstream_timeout ok",
        spare=[OTHER],
        heard=[("restarted", "upstream_timeout")],
    ),
    Case(
        "cut, and restarted by the same model",
        [CUT, GOOD],
        "half an !mainwhole answer= main",
        "main main",
        "upstream_error ok",
        heard=[("restarted", "upstream_error")],
    ),
    Case(
        "the fallback cut, and restarted by it",
        [SILENT],
        "half an !spareanother answer= spare",
        "main spare spare",
        "upstream_timeout upstream_error ok",
        spare=[CUT, OTHER],
        heard=[("fell_back", "upstream_timeout"), ("restarted", "upstream_error")],
    ),
    Case(
        "a restart is one attempt",
        [CUT, DOWN],
        "half an # upstream_error",
        "main main",
        "upstream_error upstream_error",
        heard=[("restarted", "upstream_error")],
    ),
    Case(
        "a restart happens once",
        [STALLED],
        "half an !sparehalf an # upstream_timeout",
        "main spare",
        "upstream_timeout upstream_error",
        spare=[CUT],
        heard=[("restarted", "upstream_timeout")],
    ),
    *(
        Case(
            f"the first failure is told when the restart is {result}",
            [STALLED],
            "half an # upstream_timeout",
            "main spare",
            f"upstream_timeout {result}",
            spare=[script],
            heard=[("restarted", "upstream_timeout")],
        )
        for script, result in [
            (DOWN, "upstream_error"),
            (REFUSED, "upstream_rejected"),
            (FILTERED, "content_filtered"),
            (TOO_LONG, "upstream_invalid_request"),
            (LIMITED, "upstream_rate_limited"),
            (FULL, "overloaded"),
        ]
    ),
    Case(
        "an empty restart is no answer",
        [CUT],
        "half an # upstream_error",
        "main spare",
        "upstream_error answer_empty",
        spare=[whole()],
        heard=[("restarted", "upstream_error")],
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_what_the_caller_is_told(case):
    world = World()
    played = {"main": case.main} | ({} if case.spare is None else {"spare": case.spare})
    told = world.run(world.guard(played), turn_seconds=300)
    assert "".join(told) == case.told
    assert world.models.asked == case.asked.split()
    assert [result for _, result in world.reports] == case.results.split()
    assert [model for model, _ in world.reports] == case.asked.split()
    assert world.heard.told == case.heard
    assert all(stream.closed for stream in world.models.streams)
