"""docs/contract.md, where people wrote it, against the code. Its other tables are generated."""

import json
import re

import pytest

from service.chat import events
from service.chat.request import ChatRequest
from service.errors import ErrorCode, Overloaded
from service.web import context, openapi, sse
from tests.support.service import ROOT
from tests.tools.contract_tables import PAGES
from tests.tools.metrics_data import words

USAGE = events.Usage(1, 1, "reported")
EVENTS = [
    events.Start("id-of-request", "m"),
    events.Token("a"),
    events.Thinking("a"),
    events.Data("sources", []),
    events.Restart("upstream_error", "m"),
    events.Done("stop", "m", USAGE, 0.1),
    events.Failed(Overloaded()),
]
CELL = re.compile(r"`(\w+)`")


def sections(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.split(r"^## ", text, flags=re.MULTILINE)[1:]


def rows(page, place):
    """The cells of a section's first table. Sections come in the same order in both languages."""
    table = re.search(r"(?:^\|.*\n)+", sections(page)[place], re.MULTILINE)[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


PATHS, REQUEST, ANSWER, STREAM, ERRORS, ENDINGS, HEADERS, METRICS = range(8)


@pytest.mark.parametrize("page", PAGES)
def test_the_request_has_the_fields_that_are_read(page):
    named = [CELL.search(row[0])[1] for row in rows(page, REQUEST)]
    assert named == list(ChatRequest.model_fields)


@pytest.mark.parametrize("page", PAGES)
def test_the_answer_has_the_fields_that_are_described(page):
    named = {CELL.search(row[0])[1] for row in rows(page, ANSWER)}
    assert named == openapi.ANSWER["properties"].keys()
    assert set(CELL.findall(sections(page)[ANSWER])) >= openapi.USAGE["properties"].keys()


@pytest.mark.parametrize("page", PAGES)
def test_the_stream_has_the_events_that_are_sent_with_their_fields(page):
    documented = {
        CELL.search(name)[1]: {
            field for field, optional in re.findall(r"`(\w+)`(\?)?", fields) if not optional
        }
        for name, fields, _ in rows(page, STREAM)
    }
    sent = {}
    for event in EVENTS:
        name, data = re.match(rb"event: (\w+)\ndata: (.*)", sse.encode(event, "id")).groups()
        sent[name.decode()] = set(json.loads(data))
    assert documented | {"thinking": {"text"}} == sent


def test_the_page_is_about_every_event():
    told = {events.Start, events.Token, events.Thinking, events.Data, events.Restart}
    assert {type(event) for event in EVENTS} == told | {events.Done, events.Failed}
    assert events.Event.__args__ == (*map(type, EVENTS), events.Tick)


@pytest.mark.parametrize("page", PAGES)
def test_the_headers_are_those_that_are_read(page):
    named = {name for row in rows(page, HEADERS) for name in re.findall(r"`([\w-]+)`", row[0])}
    assert named >= {*context.ID_HEADERS, "Retry-After", "Allow"}


def test_nginx_has_no_code_of_its_own():
    problems = (ROOT / "nginx/snippets/problems.conf").read_text(encoding="utf-8")
    by_status = re.search(r"map \$status \$problem_code \{(.*?)\}", problems, re.DOTALL)[1]
    codes = set(re.findall(r"(\w+);", by_status))
    assert codes
    assert codes <= words(ErrorCode)


def test_both_languages_have_the_same_tables():
    english, korean = PAGES
    for place in range(METRICS + 1):
        first = [[row[0] for row in rows(page, place)] for page in (english, korean)]
        assert first[0] == first[1]
