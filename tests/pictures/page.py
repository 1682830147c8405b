"""The chat page in each of its looks: its own files in Chromium, in front of a service that plays a script."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from deploy.local.upstream import LOCAL_MODEL
from tests.support.chat_page import ChatPage
from tests.support.stub_service import StubService, answered, event, refusal

SCREEN = {"viewport": {"width": 900, "height": 1000}}
PHONE = {
    "viewport": {"width": 320, "height": 640},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
QUESTION = "How does a circuit breaker protect a service?"
ANSWER = """A **circuit breaker** stops calling a model that keeps failing: callers get a quick, honest error.

| State | What happens to a call | Ends when |
|---|---|---|
| closed | it goes to the model | five failures in a row |
| open | it is refused at once | 15 seconds have passed |
| half-open | one probe is let through | the probe has an answer |

1. Count the failures of a model, by turns.
2. Refuse while it is open:
   - the caller is asked to come back later
   - or a fallback answers

```python
if breaker.is_open:
    raise CircuitOpen(retry_after_seconds=15)
answer = model.invoke(question)
```

> A refusal in 5 ms is better than a timeout after 60 s.
"""
KOREAN_QUESTION = "서킷 브레이커가 서비스를 어떻게 보호하나요?"
KOREAN_ANSWER = """**서킷 브레이커**는 계속 실패하는 모델의 호출을 잠시 멈춥니다.

| 상태 | 호출 처리 | 다음 상태로 바뀌는 조건 |
|---|---|---|
| 닫힘 | 모델로 전달 | 다섯 번 연속 실패 |
| 열림 | 바로 거부 | 15초 경과 |
| 반열림 | 하나만 시험 | 시험 호출의 성공 |

```python
if breaker.is_open:
    raise CircuitOpen(retry_after_seconds=15)
```
"""
SOURCES = event(
    "data",
    name="sources",
    value=[
        {"title": "Release It! Stability patterns", "url": "https://pragprog.example/release-it"},
        {"title": "docs/architecture.md"},
    ],
)
CHOICES = {
    "model": {"enum": ["gpt-4o-mini", "gpt-4o", None]},
    "chain": {"enum": ["chat", "docs", None]},
}


LOCAL = {"model": {"enum": [LOCAL_MODEL, None]}}


@dataclass(frozen=True)
class Look:
    name: str
    question: str = QUESTION
    script: Callable[[], list[Any]] = lambda: answered(ANSWER, SOURCES)
    state: str = "done"
    status: int = 200
    context: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=lambda: CHOICES)


def _thinking() -> list[Any]:
    start, *_ = answered("")
    return [start, event("thinking", text="The caller asks about breakers. "), threading.Event()]


def _cut() -> list[Any]:
    start, *_ = answered("")
    failed = event(
        "error",
        code="upstream_error",
        message="",
        request_id="0197a2b4-5c6d-7e8f",
        retryable=True,
    )
    return [start, event("token", text="A circuit breaker stops calling"), failed]


def _refused(code: str) -> Callable[[], list[Any]]:
    return lambda: [refusal(code, retryable=code == "overloaded")]


KOREAN = {"locale": "ko-KR"}
LOOKS = (
    Look("welcome", question=""),
    Look("welcome-korean", question="", context=KOREAN),
    Look("local-model", question="", choices=LOCAL),
    Look("local-model-korean", question="", context=KOREAN, choices=LOCAL),
    Look("light"),
    Look("dark", context={"color_scheme": "dark"}),
    Look("korean", KOREAN_QUESTION, lambda: answered(KOREAN_ANSWER, SOURCES), context=KOREAN),
    Look("phone", context=PHONE),
    Look(
        "phone-korean",
        KOREAN_QUESTION,
        lambda: answered(KOREAN_ANSWER, SOURCES),
        context=PHONE | KOREAN | {"color_scheme": "dark"},
    ),
    Look("thinking", script=_thinking, state="waiting"),
    Look("cut", script=_cut, state="failed"),
    Look("key", script=_refused("unauthorized"), state="failed", status=401),
    Look("key-phone", script=_refused("unauthorized"), state="failed", status=401, context=PHONE),
    Look(
        "at-capacity-korean",
        KOREAN_QUESTION,
        _refused("overloaded"),
        state="failed",
        status=503,
        context=KOREAN,
    ),
)


def draw(browser: Browser, folder: Path) -> list[Path]:
    return [_draw(look, browser, folder / f"page-{look.name}.png") for look in LOOKS]


def _draw(look: Look, browser: Browser, path: Path) -> Path:
    with StubService() as stub:
        stub.request_schema = look.choices
        stub.script, stub.status = look.script(), look.status
        context = browser.new_context(**({"locale": "en-US"} | SCREEN | look.context))
        page = ChatPage(context.new_page(), stub.url)
        if look.question:
            page.ask(look.question, look.state)
        if look.state == "waiting":
            page.turn.locator("[data-part=thinking]").wait_for()
            page.page.wait_for_timeout(2_500)
        page.page.screenshot(path=path)
        for step in stub.script:
            if isinstance(step, threading.Event):
                step.set()
        context.close()
    return path
