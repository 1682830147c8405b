"""What a long answer costs while it streams. Times are reported; what is asserted is that work does not pile up."""

import pytest

from tests.support.stub_service import answered, event

TOKENS_PER_SECOND = 100
SECTION = """## Section {number}

{words} **bold words** and `code` with [a link](https://a.test/{number}), then some more of the same: {words}

- {words}
- a second item
  - and one below it
- **a term**: {words}

| Name | Value | Note |
|---|--:|---|
| a | {number} | some words for a cell |
| b | {number} | some words for a cell |

```python
def function_{number}(value):
    return value + {number}  # {words}
```

"""
WORDS = "the service answers each question once and keeps what was said before while a breaker waits for the model"
# The sanitizer hands each text to the browser's own parser.
WATCH = """
window.longTasks = [];
window.sanitized = [];
new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.longTasks.push(duration)))
  .observe({ type: "longtask" });
const parse = DOMParser.prototype.parseFromString;
DOMParser.prototype.parseFromString = function (html, type) {
  window.sanitized.push(String(html).length);
  return parse.call(this, html, type);
};
"""


def mean(numbers):
    return sum(numbers) / len(numbers)


@pytest.mark.slow
def test_three_thousand_words_cost_no_more_at_their_end(open_page, stub):
    text = "".join(SECTION.format(number=number, words=WORDS) for number in range(28))
    assert len(text.split()) >= 3_000
    start, _, *end = answered("")
    stub.script = [start]
    for at in range(0, len(text), 6):
        stub.script += [event("token", text=text[at : at + 6]), 1 / TOKENS_PER_SECOND]
    stub.script += end
    page = open_page(stub)
    page.page.add_init_script(WATCH)
    page.open()
    page.ask("hi", state="streaming")
    first = page.answer.locator("h4").first.element_handle()
    page.turn.locator(".receipt").wait_for(timeout=300_000)
    print("tasks of 50 ms and more:", page.page.evaluate("window.longTasks"))
    assert first.evaluate("(it) => it.isConnected"), "what is settled was drawn again"
    sanitized = page.page.evaluate("window.sanitized")
    quarter = len(sanitized) // 4
    assert mean(sanitized[-quarter:]) < 2 * mean(sanitized[:quarter])
