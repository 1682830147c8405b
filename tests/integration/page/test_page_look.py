"""Languages, themes, screens, and where the text stands on them."""

import re
import threading
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.support.simulator import directive
from tests.support.stub_service import answered, event, refusal

PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}
BRIGHTNESS = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)
  .reduce((sum, part) => sum + Number(part), 0)"""
LONG = " ".join(f"**word** number {number}.\n\n" for number in range(60))


def is_dark(page):
    return page.page.evaluate(BRIGHTNESS) < 3 * 128


def distance_to_end(page):
    return page.page.locator("#scroller").evaluate(
        "(it) => it.scrollHeight - it.scrollTop - it.clientHeight"
    )


def test_the_page_comes_with_a_strict_policy(service):
    status, headers, _ = service.get("/")
    assert status == 200
    policy = dict(
        rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in policy if name.endswith("-src")} == {"'none'", "'self'"}
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("locale", "language"), [("ko-KR", "ko"), ("en-GB", "en"), ("fr-FR", "en")]
)
def test_the_language_is_the_browsers(open_page, locale, language):
    page = open_page(locale=locale)
    expect(page.page.locator("html")).to_have_attribute("lang", language)


def test_the_language_can_be_switched_and_is_remembered(page):
    page.ask("hi")
    page.page.get_by_role("button", name="한국어").click()
    expect(page.page).to_have_title("채팅")
    expect(page.figure("cost")).to_have_text("가격 정보 없음")
    expect(page.page.get_by_role("button", name="보내기")).to_be_visible()
    page.open()
    expect(page.page.locator("#welcome h2")).to_have_text("무엇이 궁금하세요?")


def test_an_answer_in_another_language_is_marked_as_such(page):
    page.ask(f"English {directive(text='English')}")
    expect(page.answer).to_have_attribute("lang", "")
    page.ask(directive(text="**한국어** and English"))
    expect(page.answer).to_have_attribute("lang", "ko")
    assert page.answer.evaluate("(it) => getComputedStyle(it).wordBreak") == "keep-all"


def test_both_languages_have_the_same_words(page):
    shapes = """({ TEXTS }) => Object.values(TEXTS).map((words) => {
      const keys = (value, path) => typeof value === "object"
        ? Object.entries(value).flatMap(([key, inner]) => keys(inner, `${path}.${key}`))
        : [`${path} ${typeof value}`];
      return keys(words, "").sort();
    })"""
    english, korean = page.module("texts.js", shapes)
    assert english == korean


def test_nothing_on_the_korean_page_is_left_in_english(open_page, simulator):
    page = open_page(locale="ko-KR")
    simulator.set_default(f"text={quote('답변')}")
    page.ask("질문")
    texts = page.page.locator("body").inner_text()
    words = set(re.findall(r"[A-Za-z]{2,}", texts)) - {"sim", "Enter", "Shift", "Esc", "English"}
    assert words == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen(open_page, scheme):
    page = open_page(color_scheme=scheme)
    assert is_dark(page) == (scheme == "dark")
    page.page.locator("#theme-toggle").click()
    assert is_dark(page) == (scheme != "dark")
    page.open()
    assert is_dark(page) == (scheme != "dark")


def test_the_theme_follows_the_system_while_it_changes(page):
    page.page.emulate_media(color_scheme="dark")
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert is_dark(page)


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_a_phone_shows_all_of_it_and_nothing_sideways(open_page, locale):
    page = open_page(locale=locale, **PHONE)
    code = "```\n" + "x" * 300 + "\n```"
    page.ask(directive(text=f"{'y' * 300}\n\n{code}\n\n한글 문장입니다."))
    page.ask("z" * 500 + directive(fault="content-filter"), state="failed")
    wider = "(it) => it.scrollWidth - it.clientWidth"
    assert page.page.locator("html").evaluate(wider) == 0
    assert page.page.locator("#scroller").evaluate(wider) == 0
    for control in page.page.locator(".bar button, #send, #question").all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 640
        assert min(box["width"], box["height"]) >= 38, "too small for a finger"


def test_a_keyboard_on_the_screen_leaves_the_field_in_sight(open_page):
    page = open_page(**PHONE)
    page.ask(directive(text=LONG))
    page.page.set_viewport_size({"width": 360, "height": 320})
    box = page.field.bounding_box()
    assert box["y"] + box["height"] <= 320
    expect(page.figure("model")).to_be_in_viewport()


def test_a_reader_at_the_end_is_kept_there(page):
    page.ask(directive(text=LONG, gap=0.005))
    assert distance_to_end(page) <= 1
    expect(page.figure("model")).to_be_in_viewport()


def test_a_reader_who_scrolled_up_is_left_alone(page):
    page.ask(directive(text=LONG))
    page.ask(directive(text=LONG, gap=0.02), state="streaming")
    page.page.locator("#scroller").hover()
    page.page.mouse.wheel(0, -900)
    expect(page.page.locator("#to-latest")).to_be_visible()
    top = page.page.locator("#scroller").evaluate("(it) => it.scrollTop")
    page.expect_state("done")
    assert page.page.locator("#scroller").evaluate("(it) => it.scrollTop") == top
    page.page.get_by_role("button", name="Jump to latest").click()
    assert distance_to_end(page) <= 1
    expect(page.page.locator("#to-latest")).to_be_hidden()


def test_a_reader_who_scrolls_up_slowly_is_not_snapped_back(open_page, stub):
    page = open_page(stub)
    gates = [threading.Event() for _ in range(8)]
    growth = [
        (gate, event("token", text=f"\n\nLine {number}.")) for number, gate in enumerate(gates)
    ]
    start, token, *end = answered(LONG)
    stub.script = [start, token, *(step for steps in growth for step in steps), *end]
    page.ask("hi", state="streaming")
    expect(page.answer).to_contain_text("number 59.")
    page.page.wait_for_function(
        "() => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <= 1"
    )
    scroller = page.page.locator("#scroller")
    scroller.hover()
    top = scroller.evaluate("(it) => it.scrollTop")
    for number, gate in enumerate(gates):
        page.page.mouse.wheel(0, -2)
        page.page.wait_for_function("(top) => scroller.scrollTop < top", arg=top)
        top = scroller.evaluate("(it) => it.scrollTop")
        gate.set()
        expect(page.answer).to_contain_text(f"Line {number}.")
        assert scroller.evaluate("(it) => it.scrollTop") <= top
    page.expect_state("done")
    assert scroller.evaluate("(it) => it.scrollTop") <= top
    expect(page.page.locator("#to-latest")).to_be_visible()


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_on_the_smallest_screen_nothing_is_hidden(open_page, stub, locale):
    long_names = {"enum": ["a-model-with-quite-a-long-name-2026-05", "another", None]}
    stub.request_schema = {"model": long_names, "chain": long_names}
    page = open_page(stub, locale=locale, **(PHONE | {"viewport": {"width": 320, "height": 568}}))
    expect(page.page.locator("#welcome h2")).to_be_in_viewport(ratio=1)
    expect(page.page.locator("#to-latest")).to_be_hidden()
    table = "| " + " | ".join(["a long head"] * 6) + " |\n|" + "---|" * 6 + "\n| b |\n"
    sources = event("data", name="sources", value=["x" * 300, "https://a.test/" + "y" * 300])
    stub.script = answered(f"{'w' * 300}\n\n{table}\n```\n{'x' * 300}\n```\n", sources)
    page.ask("hi")
    stub.status, stub.script = 401, [refusal("unauthorized")]
    page.ask("again", state="failed")
    page.page.locator("#instruction-toggle").click()
    assert page.page.locator("html, #scroller").evaluate_all(
        "(all) => all.map((it) => it.scrollWidth - it.clientWidth)"
    ) == [0, 0]
    for control in page.page.locator(
        "button:visible, select:visible, textarea:visible, input:visible, a:visible, li:visible"
    ).all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320


def test_a_starter_is_put_into_the_field_and_not_sent(page, simulator):
    starter = page.page.locator("#starters button").first
    text = starter.inner_text()
    starter.click()
    expect(page.field).to_have_value(text)
    expect(page.field).to_be_focused()
    assert simulator.stats()["requests"] == 0


def test_everything_that_can_be_pressed_has_a_name(page):
    page.ask(directive(fault="reset-after", after=2, tokens=4), state="failed")
    page.page.locator("#instruction-toggle").click()
    for control in page.page.locator("button:visible, textarea:visible").all():
        assert control.evaluate(
            "(it) => it.ariaLabel || it.textContent.trim() || it.labels?.[0]?.textContent"
        )
