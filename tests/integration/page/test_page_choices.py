"""Lists, keys, and asking again: what the page offers where the service has it."""

import pytest
from playwright.sync_api import expect

from deploy.local.upstream import LOCAL_MODEL
from tests.support.access_store import FILE, make_key, unlimited_store
from tests.support.stub_service import answered, refusal


@pytest.fixture
def page(open_page, stub):
    return open_page(stub)


def refuse(stub, status, code, *, retryable=False):
    stub.status, stub.script = status, [refusal(code, retryable=retryable)]


def answer(stub, text):
    stub.status, stub.script = 200, answered(text)


def test_without_a_choice_there_is_no_list(open_page, stub):
    stub.request_schema = {"model": {"enum": ["one", None]}}
    page = open_page(stub)
    page.ask("hi")
    expect(page.page.locator("#choices")).to_be_hidden()
    assert set(stub.asked[-1][1]) == {"question"}


def test_models_and_chains_can_be_chosen_and_are_remembered(open_page, stub):
    stub.request_schema = {
        "model": {"enum": ["one", "two", None]},
        "chain": {"enum": ["chat", "search", None]},
    }
    page = open_page(stub)
    page.ask("by default")
    assert set(stub.asked[-1][1]) == {"question"}
    page.page.get_by_label("Model").select_option("two")
    page.page.get_by_label("Chain").select_option("search")
    page.open()
    expect(page.page.get_by_label("Model")).to_have_value("two")
    page.ask("chosen")
    assert stub.asked[-1][1]["model"] == "two"
    assert stub.asked[-1][1]["chain"] == "search"
    stub.request_schema = {"model": {"enum": ["one", "three", None]}}
    page.open()
    page.ask("gone")
    assert "model" not in stub.asked[-1][1]


def test_the_services_models_are_listed(open_page, serve):
    page = open_page(serve(LLM_MODELS="other"))
    expect(page.page.get_by_label("Model").locator("option")).to_have_text(["sim", "other"])
    page.page.get_by_label("Model").select_option("other")
    page.ask("hi")
    expect(page.figure("model")).to_have_text("other")


def test_a_key_is_offered_only_what_it_may_use(open_page, serve, tmp_path):
    data = unlimited_store(tmp_path / "data")
    models = frozenset({"other", "third"})
    key = make_key(f"sqlite:///{data / FILE}", "team", models=models)
    page = open_page(serve(DATA_DIR=data, LLM_MODELS="other,third"))
    listed = page.page.get_by_label("Model").locator("option")
    expect(listed).to_have_text(["sim", "other", "third"])
    page.ask("hi", state="failed")
    page.page.get_by_label("API key").fill(key)
    page.page.get_by_role("button", name="Use key").click()
    page.expect_state("done")
    expect(page.figure("model")).to_have_text("other")
    expect(listed).to_have_text(["other", "third"])
    page.open()
    expect(listed).to_have_text(["other", "third"])


def test_the_lists_follow_the_key(page, stub):
    stub.request_schema = {"model": {"enum": ["one", "two", "three", None]}}
    stub.models_by_key = {None: ["one", "two", "three"], "csk_team": ["two"]}
    page.open()
    listed = page.page.locator("#model-list option")
    expect(listed).to_have_text(["one", "two", "three"])
    refuse(stub, 401, "unauthorized")
    page.ask("hi", state="failed")
    answer(stub, "Welcome.")
    page.page.get_by_label("API key").fill("csk_team")
    page.page.get_by_role("button", name="Use key").click()
    page.expect_state("done")
    expect(listed).to_have_text(["two"])
    expect(page.page.locator("#choices")).to_be_hidden()
    assert stub.asked[-1][1]["model"] == "two"
    refuse(stub, 401, "unauthorized")
    page.ask("revoked", state="failed")
    expect(listed).to_have_text(["one", "two", "three"])


def test_another_key_can_replace_one_that_is_expired(page, stub):
    refuse(stub, 401, "unauthorized")
    page.ask("hi", state="failed")
    refuse(stub, 403, "forbidden")
    field = page.page.get_by_label("API key")
    field.fill("csk_old")
    field.press("Enter")
    expect(page.problem).to_contain_text("expired")
    answer(stub, "Welcome.")
    field.fill("csk_new")
    field.press("Enter")
    page.expect_state("done")
    assert stub.asked[-1][0]["authorization"] == "Bearer csk_new"


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "speaks English only"), ("ko-KR", "영어만 할 수 있습니다")]
)
def test_the_local_model_says_that_it_speaks_english_only(open_page, stub, locale, words):
    stub.request_schema = {"model": {"enum": [LOCAL_MODEL, "other", None]}}
    page = open_page(stub, locale=locale)
    # its text is there before it is shown
    expect(page.page.locator("#english-only")).to_be_visible()
    expect(page.page.locator("#english-only")).to_contain_text(words)
    starters = page.page.locator("#starters button")
    english, own = (
        page.module("texts.js", f"({{ TEXTS }}) => TEXTS.{locale[:2]}.{name}")
        for name in ("englishStarters", "starters")
    )
    assert all(text.isascii() for text in english)
    expect(starters).to_have_text(english)
    page.page.locator("#model-list").select_option("other")
    expect(page.page.locator("#english-only")).to_be_hidden()
    expect(starters).to_have_text(own)


def test_a_key_is_asked_for_once_and_sent_from_then_on(page, stub):
    refuse(stub, 401, "unauthorized")
    page.ask("hi", state="failed")
    assert "authorization" not in stub.asked[-1][0]
    field = page.page.get_by_label("API key")
    expect(field).to_be_focused()
    answer(stub, "Welcome.")
    field.fill(" csk_abc ")
    field.press("Enter")
    page.expect_state("done")
    assert stub.asked[-1][0]["authorization"] == "Bearer csk_abc"
    page.open()
    page.ask("again")
    assert stub.asked[-1][0]["authorization"] == "Bearer csk_abc"
    assert "csk_abc" not in page.page.content()


def test_a_key_that_is_refused_is_forgotten(page, stub):
    refuse(stub, 401, "unauthorized")
    page.ask("hi", state="failed")
    page.page.get_by_label("API key").fill("csk_wrong")
    page.page.get_by_role("button", name="Use key").click()
    expect(page.problem).to_contain_text("did not accept that API key")
    assert len(stub.asked) == 2
    page.open()
    page.ask("again", state="failed")
    assert "authorization" not in stub.asked[-1][0]
    expect(page.problem).to_contain_text("needs an API key")


def test_the_last_answer_can_be_regenerated(page, stub):
    page.ask("one")
    page.ask("two")
    answer(stub, "Another one.")
    expect(page.page.get_by_role("button", name="Regenerate")).to_have_count(1)
    page.page.get_by_role("button", name="Regenerate").click()
    expect(page.answer).to_have_text("Another one.")
    page.expect_state("done")
    expect(page.page.locator(".turn")).to_have_count(2)
    assert [message["content"] for message in stub.asked[-1][1]["history"]] == ["one", "An answer."]
    assert stub.asked[-1][1]["question"] == "two"


def test_an_answer_is_kept_when_it_cannot_be_regenerated(page, stub):
    page.ask("one")
    refuse(stub, 503, "overloaded", retryable=True)
    page.page.get_by_role("button", name="Regenerate").click()
    expect(page.turn.locator("[data-part=kept]")).to_contain_text("at capacity right now")
    expect(page.answer).to_have_text("An answer.")
    page.expect_state("done")
    answer(stub, "Another one.")
    page.page.get_by_role("button", name="Regenerate").click()
    expect(page.answer).to_have_text("Another one.")
    expect(page.turn.locator("[data-part=kept]")).to_be_hidden()


def test_code_is_copied_alone(open_page, stub):
    page = open_page(stub, permissions=["clipboard-read", "clipboard-write"])
    answer(stub, "a\n\n```sh\nls -l\n```\n\n```\nb <c>\nd\n```")
    page.ask("hi")
    for at, code in enumerate(["ls -l", "b <c>\nd"]):
        button = page.turn.locator(".copy-code").nth(at)
        button.click()
        expect(button).to_have_text("Copied")
        assert page.page.evaluate("navigator.clipboard.readText()") == code


def test_a_service_with_keys_asks_for_one_and_takes_it(open_page, serve, tmp_path):
    data = unlimited_store(tmp_path / "data")
    key = make_key(f"sqlite:///{data / FILE}", "team")
    page = open_page(serve(DATA_DIR=data))
    page.ask("hi", state="failed")
    page.page.get_by_label("API key").fill("csk_wrong")
    page.page.get_by_role("button", name="Use key").click()
    expect(page.problem).to_contain_text("did not accept that API key")
    page.page.get_by_label("API key").fill(key)
    page.page.get_by_role("button", name="Use key").click()
    page.expect_state("done")
    page.open()
    page.ask("again")
