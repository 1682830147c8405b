"""Answers that attack their reader: nothing runs, nothing is fetched, nothing hangs.

attacks/html.json are the sanitizer's own test inputs, attacks/markdown.json what Markdown adds, carriers.json what
would take a conversation out by loading something.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import ChatPage
from tests.support.stub_service import answered

ATTACKS = Path(__file__).parent / "attacks"
WITNESS = """() => {
  window.hits = [];
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) window[name] = () => window.hits.push(name);
}"""
# An attempt counts, too: the policy would have stopped it, but the parser and the sanitizer come first.
POLICY_WITNESS = """() => {
  addEventListener("securitypolicyviolation", (event) => window.hits.push(event.violatedDirective));
}"""
# What is in the answers that is not on the list, and every address that is not one of the web.
STRANGE = """() => {
  const TAGS = ["p br hr h3 h4 h5 h6 blockquote ul ol li pre code strong em s a span",
                "table thead tbody tr th td div button"].join(" ").split(" ");
  const NAMES = { a: "href target rel", ol: "start", pre: "tabindex", div: "class tabindex", span: "class",
                  button: "class type data-text", code: "class", th: "class", td: "class" };
  const isWeb = (href) => href === null || /^(https?:\\/\\/|mailto:)/.test(href);
  return [...document.querySelectorAll(".answer *")].flatMap((element) => {
    const { localName } = element;
    const names = (NAMES[localName] ?? "").split(" ");
    const attributes = element.getAttributeNames().filter((name) => !names.includes(name));
    const isStrange = !TAGS.includes(localName) || !isWeb(element.getAttribute("href")) || attributes.length > 0;
    return isStrange ? [element.cloneNode().outerHTML] : [];
  });
}"""
# Every beginning of every input (`step` apart), as a stream would show it.
CUT = """async ({ AnswerView }, { inputs, step }) => {
  for (const input of inputs) {
    const answer = document.createElement("div");
    answer.className = "answer";
    document.getElementById("turns").append(answer);
    const view = new AnswerView(answer);
    for (let end = 1; end <= input.length; end += step) view.grow(input.slice(0, end));
    view.finish(input, { cut: true });
    await new Promise((resolve) => setTimeout(resolve));
  }
}"""
# The sanitizer alone, as if the parser before it had let everything through.
RAW = """async ({ sanitized }, inputs) => {
  for (const input of inputs) {
    const answer = document.createElement("div");
    answer.className = "answer";
    document.getElementById("turns").append(answer);
    answer.append(...sanitized(input).childNodes);
    await new Promise((resolve) => setTimeout(resolve));
  }
}"""
UNPROTECTED = """async (inputs) => {
  const create = Document.prototype.createElement.bind(document); // some inputs clobber the document's own
  const { body } = document;
  for (const input of inputs) {
    const answer = create("div");
    body.append(answer);
    answer.innerHTML = input;
    await new Promise((resolve) => setTimeout(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  return window.hits.length;
}"""
TIME_LIMIT_MS = 15_000
# Most are markdown-it's and cmark's own; each took some parser minutes.
SLOW_INPUTS = {
    "spaces and a line separator": "'# ' + ' '.repeat(2500) + 'a\\u2028b'",
    "many spaces": "'# ' + ' '.repeat(50000) + 'a\\u2028b'",
    "spaces before a break": "'x' + ' '.repeat(50000) + 'x  \\nx'",
    "stars": "'*'.repeat(20000) + 'a' + '*'.repeat(20000)",
    "nested emphasis": "'*a **a '.repeat(3000) + 'b' + ' a** a*'.repeat(3000)",
    "closers": "'a_ '.repeat(20000)",
    "openers": "'_a '.repeat(20000)",
    "mixed emphasis": "'**x* '.repeat(8000)",
    "multiples of three": "'a**b' + 'c* '.repeat(20000)",
    "brackets": "'['.repeat(10000) + 'a' + ']'.repeat(10000)",
    "links that do not end": "'[a](<b'.repeat(10000)",
    "links in links": "'[ (]('.repeat(10000)",
    "images": "'![[]()'.repeat(5000)",
    "definitions": "Array.from({ length: 3000 }, (_, at) => `[a${at}]: u\\n`).join('') + '[a1]'.repeat(3000)",
    "quotes": "'> '.repeat(20000) + 'a'",
    "deep lists": "Array.from({ length: 300 }, (_, at) => '  '.repeat(at) + '* a\\n').join('')",
    "empty lines in deep lists": "'- '.repeat(5000) + 'x' + '\\n'.repeat(5000)",
    "backticks": "Array.from({ length: 500 }, (_, at) => 'e' + '`'.repeat(at)).join('')",
    "angles": "'<'.repeat(50000) + '>'",
    "addresses": "'http://'.repeat(5000)",
    "an address and stars": "'https://a.test?' + '*'.repeat(30000) + 'a'",
    "table cells": "'|a'.repeat(200) + '\\n' + '|-'.repeat(200) + '\\n' + '|\\n'.repeat(500)",
    "NUL": "'abc\\u0000de\\u0000'.repeat(10000)",
}
SHOW = """(async () => {
  const { AnswerView } = await import("/static/answer.js");
  const view = new AnswerView(document.createElement("div"));
  const text = %s;
  for (const share of [0.5, 0.9, 1]) view.grow(text.slice(0, text.length * share));
  view.finish(text, { cut: false });
  return true;
})()"""


def payloads(name):
    return json.loads((ATTACKS / f"{name}.json").read_text())["payloads"]


@pytest.fixture
def page(open_page, stub):
    page = open_page(stub, reduced_motion="reduce")
    page.paths = set()
    page.page.on("request", lambda request: page.paths.add(urlsplit(request.url).path))
    page.page.evaluate(WITNESS)
    page.page.evaluate(POLICY_WITNESS)
    return page


def expect_nothing_happened(page):
    """Console and foreign requests are watched by open_page, for every test."""
    assert page.page.evaluate("window.hits") == []
    assert page.page.evaluate(STRANGE) == []
    assert page.paths <= {"/chat/stream"}
    assert urlsplit(page.page.url).path == "/"


def test_there_are_enough_attacks_and_they_are_dangerous(browser):
    """In a page without protection they run: this is what the others would see if ours failed."""
    inputs = payloads("html") + payloads("markdown")
    assert len(inputs) >= 150
    assert len(payloads("carriers")) >= 30
    with browser.new_context() as context:
        page = context.new_page()
        page.route(
            "**", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
        )
        page.goto("http://unprotected.test/")
        page.evaluate(WITNESS)
        assert page.evaluate(UNPROTECTED, inputs) > 30


@pytest.mark.parametrize("name", ["markdown", "html", "carriers"])
@pytest.mark.slow
def test_an_answer_that_attacks_does_nothing(page, stub, name):
    for asked, text in enumerate(payloads(name)):
        if asked % 40 == 39:
            page.page.locator("#new-conversation").click()
        stub.script = answered(text)
        page.ask("hi")
    expect(page.turn).to_be_visible()
    expect_nothing_happened(page)


@pytest.mark.parametrize(("name", "step"), [("markdown", 1), ("html", 5), ("carriers", 1)])
def test_an_attack_that_is_cut_while_it_streams_does_nothing(page, name, step):
    page.module("answer.js", CUT, {"inputs": payloads(name), "step": step})
    expect_nothing_happened(page)


def test_the_sanitizer_alone_stops_raw_html(browser, stub):
    """Violations of the policy do not count here: Chromium reports them for the sanitizer's inert document."""
    with browser.new_context() as context:
        page = ChatPage(context.new_page(), stub.url)
        page.page.evaluate(WITNESS)
        page.module("sanitize.js", RAW, payloads("html") + payloads("carriers"))
        assert page.page.evaluate("window.hits") == []
        assert page.page.evaluate(STRANGE) == []
        assert page.foreign_requests == []


@pytest.mark.parametrize("name", SLOW_INPUTS)
def test_no_text_keeps_the_page_busy(page, name):
    session = page.page.context.new_cdp_session(page.page)
    outcome = session.send(
        "Runtime.evaluate",
        {
            "expression": SHOW % SLOW_INPUTS[name],
            "awaitPromise": True,
            "timeout": TIME_LIMIT_MS,
        },
    )
    assert outcome["result"].get("value") is True, outcome
