"""Everything that can go wrong, in words, and the way on from there."""

import os
import re
import signal
import threading

import pytest
from playwright.sync_api import expect

from service.errors import ChatError
from tests.support.simulator import directive
from tests.support.stub_service import answered

MADE_BY_NGINX = {"uri_too_long", "headers_too_large", "unavailable"}
MADE_BY_THE_PAGE = {"network", "cut", "unexpected"}
REFUSALS = {
    "401": ("upstream_rejected", "rejected this service’s configuration", "운영자"),
    "context-length": ("upstream_invalid_request", "rejected this request", "거부했습니다"),
    "content-filter": ("content_filtered", "policy does not allow", "정책"),
}
FROM_A_PROXY = {
    "502 in HTML": (502, "text/html", "<html>Bad gateway</html>", "cannot be reached"),
    "413 in HTML": (413, "text/html", "<html>Too large</html>", "longer than the service accepts"),
    "a page in place of the stream": (
        200,
        "text/html",
        "<html>Log in</html>",
        "other than the chat",
    ),
    "JSON of another kind": (500, "application/json", '{"error": "no"}', "ran into an error"),
    "an unknown status": (418, "text/plain", "", "(418)"),
}


def codes(kind):
    """The codes of a class and all below it."""
    own = {kind.code} if hasattr(kind, "code") else set()
    return own.union(*(codes(child) for child in kind.__subclasses__()))


def answer_with(page, status, kind, body, **headers):
    page.page.route(
        "**/chat/stream",
        lambda route: route.fulfill(
            status=status, body=body, headers={"Content-Type": kind, **headers}
        ),
    )


def test_every_code_has_words_in_both_languages(page):
    words = page.module("texts.js", "({ TEXTS }) => TEXTS.en.errors").keys()
    assert words >= codes(ChatError) | MADE_BY_NGINX | MADE_BY_THE_PAGE


@pytest.mark.parametrize("fault", REFUSALS)
def test_an_error_is_told_in_words_in_both_languages(page, fault):
    code, english, korean = REFUSALS[fault]
    page.ask(directive(fault=fault), state="failed")
    expect(page.problem).to_have_attribute("data-code", code)
    expect(page.problem).to_contain_text(english)
    page.page.get_by_role("button", name="한국어").click()
    expect(page.problem).to_contain_text(korean)
    expect(page.problem.locator("[data-part=support]")).to_have_text(
        re.compile(r"^요청 ID [\w.-]{8,64}$")
    )


def test_what_no_retry_can_mend_offers_to_edit_the_question(page):
    question = directive(fault="content-filter")
    page.ask(question, state="failed")
    expect(page.retry).to_be_hidden()
    page.turn.get_by_role("button", name="Edit question").click()
    expect(page.field).to_have_value(question)
    expect(page.field).to_be_focused()


def test_a_question_over_the_limit_names_the_field_and_its_limit(page, simulator):
    page.ask("x" * 32_001, state="failed")
    expect(page.problem.locator("li")).to_have_text("Question: at most 32,000 characters")
    page.page.get_by_role("button", name="한국어").click()
    expect(page.problem.locator("li")).to_have_text("질문: 32,000자까지")
    assert simulator.stats()["requests"] == 0


def test_an_answer_that_breaks_off_keeps_its_text_and_can_be_asked_again(page, simulator):
    simulator.set_default("fault=cut after=3 tokens=10 gap=0.05")
    page.ask("hi", state="failed")
    expect(page.problem).to_have_attribute("data-code", "upstream_error")
    expect(page.answer).to_have_text(re.compile(r"^\w+ \w+ \w+$"))
    simulator.set_default("text=whole")
    page.retry.click()
    page.expect_state("done")
    expect(page.answer).to_have_text("whole")
    expect(page.turn).to_have_count(1)
    expect(page.problem).to_be_hidden()


def test_a_killed_worker_is_an_answer_that_was_cut(open_page, serve, simulator):
    service = serve()
    page = open_page(service)
    page.ask(directive(fault="endless", gap=0.05), state="streaming")
    expect(page.answer).to_have_text(re.compile(r"\w+ \w+"))
    os.kill(service.workers()[0], signal.SIGKILL)
    page.expect_state("failed")
    expect(page.problem).to_have_attribute("data-code", "cut")
    expect(page.problem).to_contain_text("The answer was cut off")
    expect(page.answer).to_have_text(re.compile(r"\w+ \w+"))
    page.ask("is the next worker there?")


@pytest.mark.parametrize("tail", ["", "event: done\n", "data: [DONE]\n\n", "data: {\n\n"])
def test_a_body_that_ends_cleanly_without_an_ending_was_cut(page, tail):
    body = 'event: token\ndata: {"text": "half of"}\n\n' + tail
    answer_with(page, 200, "text/event-stream", body)
    page.ask("hi", state="failed")
    expect(page.problem).to_have_attribute("data-code", "cut")
    expect(page.answer).to_have_text("half of")
    expect(page.retry).to_be_enabled()


def test_an_error_event_ends_the_stream(page):
    body = (
        'event: error\ndata: {"code": "draining", "request_id": "request-1", "retryable": true}\n\n'
        "data: [DONE]\n\n"
    )
    answer_with(page, 200, "text/event-stream", body)
    page.ask("hi", state="failed")
    expect(page.problem).to_contain_text("was restarted")
    expect(page.problem.locator("[data-part=support]")).to_have_text("Request ID request-1")


def test_retry_after_counts_down_until_the_button_can_be_pressed(page, simulator):
    simulator.set_default("fault=429 retry_after=4")
    page.ask("hi", state="failed")
    expect(page.retry).to_be_disabled()
    for seconds in (3, 2, 1):
        expect(page.retry).to_have_text(f"Try again in {seconds} s")
    simulator.set_default("")
    expect(page.retry).to_have_text("Try again")
    page.retry.click()
    page.expect_state("done")


def test_a_long_wait_is_shown_in_minutes(page):
    answer_with(page, 429, "text/html", "", **{"Retry-After": "3600"})
    page.ask("hi", state="failed")
    expect(page.retry).to_have_text(re.compile(r"^Try again in (60:00|59:5\d)$"))


@pytest.mark.parametrize("case", FROM_A_PROXY)
def test_what_a_proxy_says_is_told_in_words(page, case):
    status, kind, body, words = FROM_A_PROXY[case]
    answer_with(page, status, kind, body, **{"X-Request-ID": "from-the-proxy"})
    page.ask("hi", state="failed")
    expect(page.problem.locator("[data-part=reason]")).to_contain_text(words)
    expect(page.problem.locator("[data-part=support]")).to_have_text("Request ID from-the-proxy")


def test_no_network_is_told_and_mended_by_a_retry(page):
    page.page.context.set_offline(True)
    page.ask("hi", state="failed")
    expect(page.problem).to_contain_text("no connection to the service")
    page.page.context.set_offline(False)
    page.retry.click()
    page.expect_state("done")


def test_a_line_that_went_silent_is_given_up(page):
    page.page.clock.install()
    page.ask(directive(fault="stall", after=2, tokens=4), state="streaming")
    expect(page.answer).to_have_text(re.compile(r"\w+ \w+"))
    page.page.clock.fast_forward(24_000)
    page.expect_state("streaming")
    page.page.clock.fast_forward(6_000)
    page.expect_state("failed")
    expect(page.problem).to_have_attribute("data-code", "cut")


def test_a_service_that_never_answers_is_given_up(page):
    page.page.clock.install()
    page.page.route("**/chat/stream", lambda _: None)
    page.ask("hi", state="waiting")
    page.page.clock.fast_forward(30_000)
    page.expect_state("failed")
    expect(page.problem).to_have_attribute("data-code", "network")


@pytest.mark.parametrize(("host", "state"), [("chat.test", "failed"), ("127.0.0.1", "streaming")])
def test_a_browser_that_goes_offline_loses_only_a_line_over_the_network(
    open_page, stub, host, state
):
    start, token, *_ = answered("half of it")
    stub.script = [start, token, gate := threading.Event()]
    stub.url = stub.url.replace("127.0.0.1", host)
    page = open_page(stub)
    page.page.clock.install()
    page.ask("hi", state="streaming")
    expect(page.answer).to_have_text("half of it")
    page.page.evaluate("dispatchEvent(new Event('offline'))")
    page.page.clock.fast_forward(4_000)
    # sooner than silence alone would end it
    expect(page.turn).to_have_attribute("data-state", state, timeout=15_000)
    gate.set()


def test_a_page_that_does_not_load_completely_says_so(page):
    page.page.route("**/static/turn.js", lambda route: route.abort())
    page.page.reload()
    expect(page.page.get_by_text("The page did not load completely")).to_be_visible()
    page.page.unroute("**/static/turn.js")
    page.page.get_by_role("link", name="Reload").click()
    expect(page.page.locator("#starters button").first).to_be_visible()
    expect(page.page.get_by_text("The page did not load completely")).to_be_hidden()


def test_only_the_newest_turn_can_be_asked_again(page):
    page.ask(directive(fault="reset-after", after=2, tokens=4), state="failed")
    page.ask("hi")
    first = page.page.locator(".turn").first
    expect(first.locator("[data-part=retry]")).to_be_hidden()
    expect(first.locator("[data-part=edit]")).to_be_hidden()
