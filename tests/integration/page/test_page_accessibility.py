"""axe finds nothing serious, in whatever state the page is."""

import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.stub_service import answered, event, refusal

AXE = Path(__file__).parent / "vendor/axe.min.js"
RUN = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
ANSWER = """# Heading

Text with a [link](https://a.test), `code`, ![an image](https://b.test/c.png) and **bold**.

> A quote

1. One
2. Two
   - nested

| Name | Value |
|---|--:|
| a | 1 |

```python
print("a long line" * 100, "a long line" * 100, "a long line" * 100, "a long line" * 100)
```
"""


def serious(page):
    return [
        (finding["id"], node["html"], node["failureSummary"])
        for finding in page.page.evaluate(RUN)
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


@pytest.fixture(params=[("light", "en-US"), ("dark", "ko-KR")], ids=["light", "dark"])
def page(request, open_page, stub):
    scheme, locale = request.param
    stub.request_schema = {"model": {"enum": ["one", "two"]}, "chain": {"enum": ["a", "b"]}}
    page = open_page(stub, color_scheme=scheme, locale=locale)
    page.page.evaluate(AXE.read_text(encoding="utf-8"))
    return page


def test_before_the_first_question(page):
    page.page.locator("#instruction-toggle").click()
    expect(page.page.locator("#choices")).to_be_visible()
    assert serious(page) == []


def test_an_answer_with_all_that_can_be_in_it(page, stub):
    thought, sources = (
        event("thinking", text="Hm."),
        event("data", name="sources", value=["a", "https://b.test"]),
    )
    stub.script = answered(ANSWER, thought, sources)
    page.ask("hi")
    page.turn.locator("summary").click()
    assert serious(page) == []


def test_in_the_middle_of_an_answer(page, stub):
    gates = [threading.Event(), threading.Event()]
    start, token, *end = answered(ANSWER)
    stub.script = [start, event("thinking", text="Hm."), gates[0], token, gates[1], *end]
    page.ask("hi", state="waiting")
    expect(page.turn.locator("[data-part=activity]")).to_be_visible()
    assert serious(page) == []
    gates[0].set()
    page.expect_state("streaming")
    expect(page.answer).to_have_attribute("aria-busy", "true")
    assert serious(page) == []
    assert page.page.locator("#turns [aria-live], #turns [role=log]").count() == 0
    gates[1].set()
    page.expect_state("done")


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (503, "overloaded")])
def test_an_error_and_the_field_for_a_key(page, stub, status, code):
    stub.status, stub.script = status, [refusal(code, retryable=status == 503)]
    page.ask("hi", state="failed")
    assert serious(page) == []
