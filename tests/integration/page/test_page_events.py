"""What a stream says beside its text: thinking, the steps of a chain, sources."""

import re
import threading

import pytest
from playwright.sync_api import expect

from tests.support.simulator import directive
from tests.support.stub_service import answered, event

SOURCES = {
    "text": ("handbook.pdf", "handbook.pdf", None),
    "an address": ("https://a.test/x", "a.test", "https://a.test/x"),
    "an object": (
        {"title": "The manual", "url": "https://a.test/x"},
        "The manual a.test",
        "https://a.test/x",
    ),
    "a document": (
        {"page_content": "…", "metadata": {"title": "Notes", "source": "https://a.test/y"}},
        "Notes a.test",
        "https://a.test/y",
    ),
    "a document from a file": (
        {"page_content": "…", "metadata": {"source": "docs/notes.md", "page": 3}},
        "docs/notes.md",
        None,
    ),
    "an address that runs code": (
        {"title": "<b>x</b>", "url": "javascript:alert(1)"},
        "<b>x</b>",
        None,
    ),
}


@pytest.fixture
def page(open_page, stub):
    page = open_page(stub)
    page.page.clock.install()
    return page


def part(page, name):
    return page.turn.locator(f"[data-part={name}]")


def test_thinking_is_shown_with_its_seconds(page, stub):
    gate = threading.Event()
    stub.script = answered("Done.", event("thinking"), gate)
    page.ask("hi", state="waiting")
    expect(part(page, "activity")).to_have_text("Thinking … 0 s")
    page.page.clock.fast_forward(12_000)
    expect(part(page, "activity")).to_have_text("Thinking … 12 s")
    gate.set()
    page.expect_state("done")
    expect(part(page, "activity")).to_be_hidden()
    expect(page.figure("thinking")).to_have_text("Thought for 12 s")


def test_a_real_model_that_thinks_is_seen_thinking(open_page, serve):
    page = open_page(serve(SHOW_THINKING="true", STREAM_HOLD_SECONDS=1))
    page.ask(directive(think=5, tokens=5), state="waiting")
    expect(part(page, "activity")).to_have_text(re.compile(r"^Thinking … \d s$"))
    page.expect_state("done")
    expect(part(page, "thinkingSummary")).to_have_text(re.compile(r"^Thought for \d+ s$"))
    expect(part(page, "thoughts")).to_contain_text("hm hm")


def test_thoughts_can_be_read_and_are_text(page, stub):
    stub.script = answered(
        "Done.", event("thinking", text="Let me **see**. "), event("thinking", text="<b>Yes</b>.")
    )
    page.ask("hi")
    expect(part(page, "thoughts")).to_be_hidden()
    part(page, "thinkingSummary").click()
    expect(part(page, "thoughts")).to_have_text("Let me **see**. <b>Yes</b>.")


def test_the_steps_of_a_chain_are_shown_while_they_run(page, stub):
    gates = [threading.Event() for _ in range(3)]
    stub.script = answered(
        "Done.",
        *(event("data", name="tool", value={"tool": "search", "state": "started"}), gates[0]),
        *(event("data", name="tool", value={"tool": "search", "state": "failed"}), gates[1]),
        *(event("data", name="progress", value="Reading 3 files"), gates[2]),
    )
    page.ask("hi", state="waiting")
    expect(part(page, "activity")).to_have_text("Running search")
    page.page.clock.fast_forward(3_000)
    expect(part(page, "activity")).to_have_text("Running search · 3 s")
    for gate, text in zip(gates, ["search failed", "Reading 3 files", ""], strict=True):
        gate.set()
        expect(part(page, "activity")).to_have_text(text)
    page.expect_state("done")


def test_an_event_that_the_page_does_not_know_is_shown_by_its_name(page, stub):
    gate = threading.Event()
    stub.script = answered("Done.", event("data", name="plan", value={"steps": [1, 2]}), gate)
    page.ask("hi", state="waiting")
    expect(part(page, "activity")).to_have_text("plan")
    gate.set()
    page.expect_state("done")


@pytest.mark.parametrize("name", SOURCES)
def test_sources_stand_below_the_answer(page, stub, name):
    source, text, address = SOURCES[name]
    stub.script = answered("Done.", event("data", name="sources", value=[source, source]))
    page.ask("hi")
    entries = part(page, "sources").locator("li")
    expect(entries).to_have_text([text])
    link = entries.locator("a")
    if address is None:
        expect(link).to_have_count(0)
    else:
        expect(link).to_have_attribute("href", address)
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", "noopener noreferrer")


@pytest.mark.parametrize("value", [None, "text", 3, {}, [], [None, 3, {}, [], {"url": 5}]])
def test_sources_of_another_form_are_left_out(page, stub, value):
    stub.script = answered("Done.", event("data", name="sources", value=value))
    page.ask("hi")
    expect(part(page, "sources")).to_be_hidden()


def test_a_screen_reader_hears_of_thinking_once(page, stub):
    gate = threading.Event()
    stub.script = answered("Done.", event("thinking"), event("thinking"), gate)
    page.listen()
    page.ask("hi", state="waiting")
    expect(part(page, "activity")).to_contain_text("Thinking")
    gate.set()
    page.expect_state("done")
    assert page.heard() == [
        "The answer is on its way.",
        "The model is thinking.",
        "Done.",
    ]
