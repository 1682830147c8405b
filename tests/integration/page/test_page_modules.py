"""The page's modules by their tables, run in the browser that uses them."""

import pytest

from tests.support.chat_page import ChatPage

PARSE = """({ SseParser }, pieces) => {
  const parser = new SseParser();
  const events = pieces.flatMap((piece) => parser.push(Uint8Array.from(piece)));
  return events.map(({ type, data, id }) => [type, data, id]);
}"""
# name: (bytes, events as (type, data, id)); most are the standard's own examples or rules
STREAMS = {
    "one line of data": (b"data: hello\n\n", [("message", "hello", "")]),
    "the standard's stock example": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [("message", "YHOO\n+2\n10", "")],
    ),
    "the standard's ids example": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [
            ("message", "first event", "1"),
            ("message", "second event", ""),
            ("message", " third event", ""),
        ],
    ),
    "the standard's empty data example": (
        b"data\n\ndata\ndata\n\ndata:",
        [("message", "", ""), ("message", "\n", "")],
    ),
    "the standard's space example": (
        b"data:test\n\ndata: test\n\n",
        [("message", "test", ""), ("message", "test", "")],
    ),
    "CR": (b"event: token\rdata: a\r\rdata: b\r\r", [("token", "a", ""), ("message", "b", "")]),
    "CRLF": (b"event: token\r\ndata: a\r\n\r\n", [("token", "a", "")]),
    "all line ends mixed": (b"data: a\rdata: b\r\ndata: c\n\r\n", [("message", "a\nb\nc", "")]),
    "CR and LF that do not belong together": (
        b"data: a\n\r\ndata: b\r\r",
        [("message", "a", ""), ("message", "b", "")],
    ),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    "only the first mark is dropped": (
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
        [("message", "b", "")],
    ),
    "comments": (b": ping\n\ndata: a\n: in between\ndata: b\n\n:\n\n", [("message", "a\nb", "")]),
    "an event without data": (b"event: done\n\ndata: a\n\n", [("message", "a", "")]),
    "the type does not last": (
        b"event: x\ndata: a\n\ndata: b\n\n",
        [("x", "a", ""), ("message", "b", "")],
    ),
    "the last type counts": (b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    "unknown fields": (
        b"retry: 10\nfoo: bar\ndata: a\nDATA: b\n data: c\n\n",
        [("message", "a", "")],
    ),
    "a colon in the value": (b"data: a: b\n\n", [("message", "a: b", "")]),
    "an id with NUL": (
        b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n",
        [("message", "a", "1"), ("message", "b", "1")],
    ),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [("message", "a", "")]),
    "separators of Unicode are text": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0c\n\n".encode(),
        [("message", "a\u2028b\u2029c\u0085d\x0be\x0c", "")],
    ),
    "Korean and emoji": ("data: 한글 😀 👨‍👩‍👧\n\n".encode(), [("message", "한글 😀 👨‍👩‍👧", "")]),
    "invalid UTF-8": (b"data: \xff\xed\x95\n\n", [("message", "\ufffd\ufffd", "")]),
    "nothing": (b"", []),
}
SHOWN = """({ AnswerView }, { pieces, growing }) => {
  const element = document.createElement("div");
  const view = new AnswerView(element);
  let text = "";
  for (const piece of pieces) view.show((text += piece), { growing: true });
  if (!growing) view.show(text, { growing: false });
  return element.innerHTML;
}"""
# name: (Markdown, HTML of its nodes)
DOCUMENTS = {
    "paragraphs": ("a\nb\n\nc", "<p>a\nb</p><p>c</p>"),
    "bold": ("**a b** c", "<p><strong>a b</strong> c</p>"),
    "bold before a Korean particle": ("**굵게**는", "<p><strong>굵게</strong>는</p>"),
    "bold with code": ("**use `x*`**", "<p>**use <code>x*</code>**</p>"),
    "stars that are not bold": ("2 ** 3 ** 4 and 2**8", "<p>2 ** 3 ** 4 and 2**8</p>"),
    "inline code": ("`a` ``b ` c`` `d", "<p><code>a</code> <code>b ` c</code> `d</p>"),
    "headings": ("# a\n### b ##\n#c", "<h3>a</h3><h5>b</h5><p>#c</p>"),
    "a rule": ("a\n\n---\nb", "<p>a</p><hr><p>b</p>"),
    "a fence": (
        "```python\nif a < b:\n\n    **c**\n```\nd",
        '<div class="code"><span>python</span><pre><code>if a &lt; b:\n\n    **c**</code></pre></div><p>d</p>',
    ),
    "a fence in a fence": (
        "````\n```\na\n```\n````",
        '<div class="code"><pre><code>```\na\n```</code></pre></div>',
    ),
    "a fence that is not closed": (
        "~~~\na\n",
        '<div class="code"><pre><code>a\n</code></pre></div>',
    ),
    "a list right after text": (
        "a:\n- b\n* c\n\nd",
        "<p>a:</p><ul><li>b</li><li>c</li></ul><p>d</p>",
    ),
    "a loose list": ("1. a\n\n2. b\n\n   more", "<ol><li>a</li><li>b\nmore</li></ol>"),
    "a list that begins later": ("3) a", '<ol start="3"><li>a</li></ol>'),
    "a nested list": (
        "1. a\n   - b\n   - c\n     1. d\n2. e",
        "<ol><li>a<ul><li>b</li><li>c<ol><li>d</li></ol></li></ul></li><li>e</li></ol>",
    ),
    "a list of another kind": ("- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
    "code within a numbered list": (
        "1. a\n   ```\n   x\n     y\n   ```\n2. b",
        '<ol><li>a</li></ol><div class="code"><pre><code>x\n  y</code></pre></div><ol start="2"><li>b</li></ol>',
    ),
    "a year is no list": ("It was in\n1984. Then", "<p>It was in\n1984. Then</p>"),
    "HTML is text": ("<b>a</b> &amp;", "<p>&lt;b&gt;a&lt;/b&gt; &amp;amp;</p>"),
    "CRLF": ("a\r\nb\r\n\r\n- c\r\n", "<p>a\nb</p><ul><li>c</li></ul>"),
}
COSTS = [
    (None, "no price"),
    (0, "$0"),
    (4e-7, "< $0.000001"),
    (0.00000123, "$0.0000012"),
    (0.0000753, "$0.000075"),
    (0.0421, "$0.042"),
    (0.1, "$0.1"),
    (1.5, "$1.50"),
    (1234.567, "$1,234.57"),
]


@pytest.fixture(scope="module")
def page(browser, service):
    """One for all tables: they leave nothing behind."""
    with browser.new_context() as context:
        yield ChatPage(context.new_page(), service.url)


@pytest.mark.parametrize("name", STREAMS)
def test_the_event_stream_is_read_as_the_standard_says(page, name):
    sent, events = STREAMS[name]
    whole = page.module("sse.js", PARSE, [list(sent)])
    assert [tuple(event) for event in whole] == events


def test_the_event_stream_is_read_alike_however_it_is_split(page):
    for name, (sent, events) in STREAMS.items():
        bytes_alone = [[byte] for byte in sent]
        for pieces in [
            bytes_alone,
            *([list(sent[:at]), [], list(sent[at:])] for at in range(len(sent))),
        ]:
            read = [tuple(event) for event in page.module("sse.js", PARSE, pieces)]
            assert read == events, (name, pieces)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_markdown_becomes_nodes(page, name):
    text, html = DOCUMENTS[name]
    assert page.module("answer.js", SHOWN, {"pieces": [text], "growing": False}) == html


def test_a_growing_answer_ends_as_if_it_had_come_at_once(page):
    text = "\n\n".join(document for document, _ in DOCUMENTS.values() if "~~~" not in document)
    at_once = page.module("answer.js", SHOWN, {"pieces": [text], "growing": False})
    grown = page.module("answer.js", SHOWN, {"pieces": list(text), "growing": False})
    assert grown == at_once


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **bo", "<p>a <strong>bo</strong></p>"),
        ("a **bold text**", "<p>a <strong>bold text</strong></p>"),
        ("a **", "<p>a </p>"),
        ("a `co", "<p>a <code>co</code></p>"),
        ("2**8 is", "<p>2**8 is</p>"),
    ],
)
def test_a_mark_on_its_way_does_not_flash(page, text, html):
    assert page.module("answer.js", SHOWN, {"pieces": list(text), "growing": True}) == html


def test_a_very_long_answer_stays_quick(page):
    text = "".join(
        f"Paragraph **{number}** with `code`.\n\n- item\n- item\n\n" for number in range(4000)
    )
    pieces = [text[at : at + 40] for at in range(0, len(text), 40)]
    script = f"""(module, argument) => {{
      const began = performance.now();
      ({SHOWN})(module, argument);
      return performance.now() - began;
    }}"""
    milliseconds = page.module("answer.js", script, {"pieces": pieces, "growing": True})
    assert milliseconds / len(pieces) < 8, "a frame has 16 ms, and the page other things to do"


@pytest.mark.parametrize(("usd", "shown"), COSTS)
def test_costs_can_be_read(page, usd, shown):
    script = "async ({ formatCost }, usd) => formatCost(usd, { noPrice: 'no price' })"
    assert page.module("figures.js", script, usd) == shown
