"""What survives a reload, and what it is not allowed to break."""

import json
import threading

import pytest
from playwright.sync_api import expect

from tests.support.simulator import directive
from tests.support.stub_service import answered, event


def sent(simulator):
    return [
        (message["role"], message["content"])
        for message in simulator.requests()[-1]["body"]["messages"]
    ]


def test_a_conversation_survives_a_reload_and_goes_on(page, simulator):
    page.ask(directive(text="**one**"))
    figures = page.turn.locator("[data-part=figures]").inner_text()
    page.open()
    expect(page.answer.locator("strong")).to_have_text("one")
    expect(page.turn.locator("[data-part=figures]")).to_have_text(figures, use_inner_text=True)
    expect(page.page.locator("#welcome")).to_be_hidden()
    page.ask("two")
    roles = [role for role, _ in sent(simulator)]
    assert roles[-3:] == ["user", "assistant", "user"]
    assert ("assistant", "**one**") in sent(simulator)


def test_the_instruction_survives_a_reload(page, simulator):
    page.page.locator("#instruction-toggle").click()
    page.page.locator("#instruction").fill("Answer in verse.")
    page.open()
    expect(page.page.get_by_role("button", name="Instruction (set)")).to_be_visible()
    page.ask("one")
    assert ("system", "Answer in verse.") in sent(simulator)


def test_the_session_id_survives_a_reload(open_page, stub):
    page = open_page(stub)
    page.ask("one")
    page.open()
    page.ask("two")
    first, second = (headers["x-session-id"] for headers, _ in stub.asked)
    assert first == second


def test_a_reload_during_an_answer_shows_it_as_cut(open_page, stub):
    gate = threading.Event()
    start, token, *_ = answered("half of **an")
    stub.script = [start, token, gate]
    page = open_page(stub)
    page.ask("hi", state="streaming")
    expect(page.answer).to_contain_text("half of")
    page.open()
    gate.set()
    page.expect_state("failed")
    expect(page.problem).to_have_attribute("data-code", "cut")
    expect(page.answer.locator("strong")).to_have_text("an")
    stub.script = answered("whole")
    page.retry.click()
    page.expect_state("done")
    expect(page.answer).to_have_text("whole")


def test_a_new_conversation_is_new_after_a_reload_too(page):
    page.ask("one")
    page.page.locator("#new-conversation").click()
    page.open()
    expect(page.page.locator("#welcome")).to_be_visible()
    expect(page.turn).to_have_count(0)


def test_a_conversation_too_large_to_keep_loses_its_oldest_turns_alone(open_page, stub):
    page = open_page(stub, reduced_motion="reduce")
    for number in range(4):
        stub.script = answered(f"answer {number} " + "x" * 2_000_000)
        page.ask("hi")
    expect(page.page.locator(".turn")).to_have_count(4)
    page.open()
    expect(page.answer).to_contain_text("answer 3")
    expect(page.page.locator("#incomplete")).to_be_visible()
    assert 1 <= page.page.locator(".turn").count() < 4
    stub.script = answered("short")
    page.ask("and now?")
    expect(page.answer).to_have_text("short")


@pytest.mark.parametrize("limit", [{"maxItems": 5}, {"x-max-total-chars": 35}])
@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "no longer sent"), ("ko-KR", "더 이상 보내지 않습니다")]
)
def test_a_long_conversation_goes_on_with_its_latest_messages_and_says_so_once(
    open_page, stub, limit, locale, words
):
    stub.request_schema = {"model": {"enum": ["one", "two"]}, "history": limit}
    page = open_page(stub, locale=locale)
    # the description has been read
    expect(page.page.locator("#choices")).to_be_visible()
    for number in range(5):
        page.ask(f"q{number}")
    asked = [
        [message["content"] for message in body.get("history", []) if message["role"] == "user"]
        for _, body in stub.asked
    ]
    assert asked == [[], ["q0"], ["q0", "q1"], ["q1", "q2"], ["q2", "q3"]]
    note = page.page.locator("[data-part=shortened]:visible")
    expect(note).to_contain_text(words)
    expect(page.page.locator(".turn").nth(3).locator("[data-part=shortened]")).to_be_visible()
    page.open()
    expect(note).to_have_count(1)


def test_a_screen_reader_hears_once_that_the_oldest_messages_are_no_longer_sent(open_page, stub):
    stub.request_schema = {"model": {"enum": ["one", "two"]}, "history": {"maxItems": 3}}
    page = open_page(stub)
    expect(page.page.locator("#choices")).to_be_visible()
    page.ask("q0")
    page.ask("q1")
    page.listen()
    page.ask("q2")
    page.ask("q3")
    assert page.heard() == [
        "The conversation has become long. Its oldest messages are no longer sent. The answer is on its way.",
        "An answer.",
        "The answer is on its way.",
        "An answer.",
    ]


def test_a_page_that_never_sends_a_history_calls_no_conversation_long(open_page, stub):
    stub.request_schema = {"model": {"enum": ["one", "two"]}, "history": {"maxItems": 1}}
    page = open_page(stub)
    expect(page.page.locator("#choices")).to_be_visible()
    for number in range(3):
        page.ask(f"q{number}")
    assert not any("history" in body for _, body in stub.asked)
    expect(page.page.locator("[data-part=shortened]:visible")).to_have_count(0)


def test_a_conversation_of_many_bytes_fits_into_the_request(open_page, stub):
    """Three to a character in Korean, and two for what JSON escapes."""
    stub.request_schema = {"model": {"enum": ["one", "two"]}}
    stub.max_bytes = 16_000
    stub.script = answered("가" * 1500 + '"' * 500)
    page = open_page(stub)
    expect(page.page.locator("#choices")).to_be_visible()
    for number in range(5):
        page.ask(f"q{number}")
    histories = [len(body.get("history", [])) // 2 for _, body in stub.asked]
    assert histories == [0, 1, 2, 2, 2]
    sizes = [len(json.dumps(body, ensure_ascii=False).encode()) for _, body in stub.asked]
    assert max(sizes) <= stub.max_bytes


@pytest.mark.parametrize(
    "kept", ["{", "null", "[]", '{"turns": 5}', '{"turns": [{"question": "old", "state": "done"}]}']
)
def test_what_another_version_kept_does_not_break_the_page(open_page, stub, kept):
    page = open_page(stub)
    page.page.evaluate(
        "(kept) => { addEventListener('pagehide', () => sessionStorage.setItem('chat.conversation', kept)); }",
        kept,
    )
    page.open()
    page.ask("hi")
    expect(page.answer).to_have_text("An answer.")


def test_a_browser_that_keeps_nothing_loses_only_the_memory(open_page, stub):
    page = open_page(stub)
    page.page.add_init_script(
        "Storage.prototype.setItem = Storage.prototype.getItem = () => { throw new Error('blocked'); };"
    )
    page.open()
    page.ask("hi")
    expect(page.answer).to_have_text("An answer.")


def test_thoughts_and_sources_survive_a_reload(open_page, stub):
    page = open_page(stub)
    stub.script = answered(
        "Done.", event("thinking", text="hm"), event("data", name="sources", value=["a"])
    )
    page.ask("hi")
    page.open()
    expect(page.turn.locator("[data-part=sources] li")).to_have_text(["a"])
    expect(page.turn.locator("[data-part=thoughts]")).to_have_text("hm")
