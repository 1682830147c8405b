"""What a long answer costs while it streams: no long task blocks the page, and work does not pile up."""

import json

import pytest

from tests.support.stub_service import answered, event

TOKENS_PER_SECOND = 200
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
# Browsers call a task of 50 ms long, since it delays input visibly; 15 ms are usual here. A busy machine's are three
# times as long, even in CPU time.
MOST_TASK_MS = 150
TASKS = ("RunTask", "ThreadControllerImpl::RunTask")
# The sanitizer passes each text to the browser's own parser.
WATCH = """
window.sanitized = [];
const parse = DOMParser.prototype.parseFromString;
DOMParser.prototype.parseFromString = function (html, type) {
  window.sanitized.push(String(html).length);
  return parse.call(this, html, type);
};
"""


def mean(numbers):
    return sum(numbers) / len(numbers)


def longest_task_ms(trace):
    """On the page's main thread, in CPU time: a busy machine must not count."""
    names = [each for each in trace if each["name"] == "thread_name"]
    main = {
        (each["pid"], each["tid"]) for each in names if each["args"]["name"] == "CrRendererMain"
    }
    tasks = [each for each in trace if each["name"] in TASKS and each.get("ph") == "X"]
    assert tasks
    return max(each.get("tdur", 0) for each in tasks if (each["pid"], each["tid"]) in main) / 1000


@pytest.mark.slow
def test_three_thousand_words_cost_no_more_at_their_end(open_page, stub, browser):
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
    browser.start_tracing(page=page.page, categories=["-*", "toplevel", "devtools.timeline"])
    page.ask("hi", state="streaming")
    first = page.answer.locator("h4").first.element_handle()
    page.turn.locator(".receipt").wait_for(timeout=300_000)
    longest = longest_task_ms(json.loads(browser.stop_tracing())["traceEvents"])
    print(f"longest task: {longest:.1f} ms")
    assert longest < MOST_TASK_MS
    assert first.evaluate("(it) => it.isConnected"), "what is settled was drawn again"
    sanitized = page.page.evaluate("window.sanitized")
    quarter = len(sanitized) // 4
    assert mean(sanitized[-quarter:]) < 2 * mean(sanitized[:quarter])
