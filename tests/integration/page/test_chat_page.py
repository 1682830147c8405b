"""Asking, reading and stopping on the chat page."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.support.simulator import directive

STOPS = {
    "by the button": lambda page: page.page.locator("#stop").click(),
    "by Escape": lambda page: page.field.press("Escape"),
}


def messages(simulator):
    """What the model was told last, without the system message."""
    sent = simulator.requests()[-1]["body"]["messages"]
    return [
        (message["role"], message["content"]) for message in sent if message["role"] != "system"
    ]


def test_an_answer_appears_while_it_is_written(page, simulator):
    page.watch()
    page.ask(directive(tokens=12, gap=0.25), state="streaming")
    simulator.wait(open=1)
    expect(page.answer).to_have_text(re.compile(r"\w+ \w+"))
    assert simulator.stats()["open"] == 1, "the first words were shown only after the last"
    page.expect_state("done")
    assert len(page.seen()) >= 8


def test_a_burst_is_typed_in_whole_words(page):
    text = " ".join(f"word{number}" for number in range(200))
    page.watch()
    page.ask(directive(text=text, piece=len(text)))
    seen = page.seen()
    assert seen[-1] == text
    assert len(seen) >= 5
    assert {text[len(shown) :][:1] for shown in seen if shown} == {" ", ""}


def test_half_a_word_is_held_back_until_the_rest_comes_or_does_not(page):
    page.page.clock.install()
    page.page.clock.pause_at("2100-01-01")
    page.module(
        "typist.js", "({ Typist }) => { window.typist = new Typist((t) => { window.typed = t; }); }"
    )
    shown = []
    for text, milliseconds in (("Hel", 100), ("lo wor", 100), ("", 200)):
        page.page.evaluate("(text) => text && window.typist.type(text)", text)
        page.page.clock.run_for(milliseconds)
        shown.append(page.page.evaluate("window.typed ?? ''"))
    assert shown == ["", "Hello", "Hello wor"]


def test_a_reader_who_wants_no_motion_gets_none(open_page):
    page = open_page(reduced_motion="reduce")
    page.watch()
    text = " ".join(["word"] * 200)
    page.ask(directive(text=text, piece=len(text)))
    assert len(page.seen()) <= 3


def test_each_answer_tells_its_model_tokens_cost_and_time(page):
    page.ask(directive(tokens=7, first=0.5))
    expect(page.figure("model")).to_have_text("sim")
    expect(page.figure("tokens")).to_have_text(re.compile(r"^\d+ in · 7 out tokens$"))
    expect(page.figure("cost")).to_have_text("no price")
    expect(page.figure("first-token")).to_have_text(re.compile(r"^first token \d+\.\d+ s$"))
    assert float(page.figure("first-token").inner_text().split()[2]) >= 0.5


def test_a_priced_answer_shows_a_cost_that_can_be_read(open_page, serve):
    page = open_page(serve(LLM_MODEL="gpt-4o-mini"))
    page.ask(directive(tokens=7))
    expect(page.figure("cost")).to_have_text(re.compile(r"^\$0\.0000\d{1,4}$"))


def test_estimated_tokens_are_marked(page):
    page.ask(directive(tokens=7, usage=0))
    expect(page.figure("tokens")).to_have_text(re.compile(r"^≈ .*\(estimated\)$"))


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS.keys())
def test_stop_really_cancels(page, simulator, stop):
    page.ask(directive(fault="endless", gap=0.05), state="streaming")
    stop(page)
    simulator.wait(aborted=1)
    page.expect_state("stopped")
    expect(page.problem).to_contain_text("You stopped this answer")
    expect(page.page.locator("#send")).to_be_visible()


def test_stop_cancels_before_the_first_token(page, simulator):
    page.ask(directive(fault="silent"), state="waiting")
    simulator.wait(open=1)
    page.field.press("Escape")
    simulator.wait(aborted=1)
    page.expect_state("stopped")


def test_the_conversation_is_sent_without_what_failed(page, simulator):
    first, stopped, failed = "one", directive(fault="endless", gap=0.05), directive(fault="401")
    page.ask(first)
    answer = page.answer.inner_text()
    page.ask(stopped, state="streaming")
    page.field.press("Escape")
    page.expect_state("stopped")
    page.ask(failed, state="failed")
    page.ask("four")
    assert messages(simulator) == [("user", first), ("assistant", answer), ("user", "four")]


def test_a_new_conversation_forgets_the_old_one(page, simulator):
    page.ask("one")
    page.page.locator("#new-conversation").click()
    expect(page.turn).to_have_count(0)
    expect(page.page.locator("#welcome")).to_be_visible()
    expect(page.field).to_be_focused()
    page.ask("two")
    assert messages(simulator) == [("user", "two")]


def test_a_new_conversation_ends_the_answer_on_its_way(page, simulator):
    page.ask(directive(fault="endless", gap=0.05), state="streaming")
    page.page.locator("#new-conversation").click()
    simulator.wait(aborted=1)
    page.ask("two")
    assert messages(simulator) == [("user", "two")]


def test_the_instruction_is_sent_and_its_button_says_so(page, simulator):
    page.page.locator("#instruction-toggle").click()
    expect(page.page.locator("#instruction")).to_be_focused()
    page.page.locator("#instruction").fill("Answer in {verse}.")
    page.page.locator("#instruction-close").click()
    expect(page.page.get_by_role("button", name="Instruction (set)")).to_be_focused()
    page.ask("one")
    system = simulator.requests()[-1]["body"]["messages"][0]
    assert system == {"role": "system", "content": "Answer in {verse}."}


def test_the_session_is_named_in_the_log_until_a_new_conversation(page, service):
    ids = []

    def keep(response):
        if response.url.endswith("/chat/stream"):
            ids.append(response.headers["x-request-id"])

    page.page.on("response", keep)
    for _ in range(2):
        page.ask("one")
    page.page.locator("#new-conversation").click()
    page.ask("two")
    first, second, third = (service.turn(name)["session_id"] for name in ids)
    assert first == second != third


def test_all_of_it_works_by_keyboard(page, simulator):
    keyboard = page.page.keyboard
    expect(page.field).to_be_focused()
    keyboard.type("two")
    keyboard.press("Shift+Enter")
    keyboard.type(f"lines {directive(fault='endless', gap=0.05)}")
    keyboard.press("Enter")
    page.expect_state("streaming")
    assert messages(simulator)[-1][1].startswith("two\nlines ")
    keyboard.press("Tab")
    expect(page.page.locator("#stop")).to_be_focused()
    keyboard.press("Enter")
    page.expect_state("stopped")
    expect(page.field).to_be_focused()


def test_enter_that_ends_a_syllable_does_not_send(page, simulator):
    page.field.fill("한")
    for event in ({"isComposing": True}, {"keyCode": 229}):
        page.field.dispatch_event("keydown", {"key": "Enter", "bubbles": True, **event})
        expect(page.turn).to_have_count(0)
    page.field.press("Enter")
    page.expect_state("done")
    assert simulator.stats()["requests"] == 1


def test_a_second_question_waits_for_the_first_answer(page, simulator):
    page.ask(directive(fault="endless", gap=0.05), state="streaming")
    page.field.fill("next")
    page.field.press("Enter")
    expect(page.field).to_have_value("next")
    expect(page.turn).to_have_count(1)
    page.field.press("Escape")
    page.expect_state("stopped")
    assert simulator.stats()["requests"] == 1


def test_screen_readers_hear_beginning_and_end_but_no_token(page):
    page.listen()
    page.ask(directive(text="word " * 100, gap=0.01))
    assert page.heard() == [
        "The answer is on its way.",
        "The answer is complete.",
    ]
    expect(page.answer).to_have_attribute("aria-busy", "false")
    assert page.page.locator("#turns [aria-live], #turns [role=log]").count() == 0


def test_copy_gives_exactly_what_the_model_wrote(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    text = "a\n\nb\u2028c **한글** 😀 `x`"
    page.ask(directive(text=text))
    page.turn.locator(".receipt .copy").click()
    expect(page.turn.locator(".receipt .copy")).to_have_text("Copied")
    assert page.page.evaluate("navigator.clipboard.readText()") == text


def test_what_a_model_writes_never_becomes_html(page):
    text = "<img src=x onerror=alert(1)> **<b>bold</b>** `<i>code</i>`\n\n```html\n<script>1</script>\n```"
    page.ask(directive(text=text))
    assert page.answer.locator("img, b, i, script").count() == 0
    expect(page.answer.locator("p")).to_have_text(
        "<img src=x onerror=alert(1)> <b>bold</b> <i>code</i>"
    )
    expect(page.answer.locator("pre")).to_have_text("<script>1</script>")


def test_a_cut_by_length_is_told(page):
    page.ask(directive(tokens=3, finish="length"))
    expect(page.turn.locator("[data-part=remark]")).to_contain_text("length limit")


def test_a_restart_throws_the_shown_text_away_and_says_so(page):
    frames = [
        ("start", {"request_id": "request-1", "model": "sim"}),
        ("token", {"text": "**first `try "}),
        ("restart", {"reason": "upstream_error", "model": "other"}),
        ("token", {"text": "second try"}),
        ("done", {"finish_reason": "stop", "model": "other", "usage": USAGE, "cost_usd": 4e-7}),
    ]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in frames)
    page.page.route("**/chat/stream", lambda route: route.fulfill(body=body, headers=EVENT_STREAM))
    page.ask("hi")
    expect(page.answer).to_have_text("second try")
    expect(page.turn.locator("[data-part=restarted]")).to_contain_text("has been restarted")
    expect(page.figure("model")).to_have_text("other")
    expect(page.figure("cost")).to_have_text("< $0.000001")


EVENT_STREAM = {"Content-Type": "text/event-stream"}
USAGE = {"input_tokens": 1, "output_tokens": 2, "source": "reported"}
