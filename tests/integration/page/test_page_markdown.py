"""What becomes of a model's Markdown, whole and while it grows, in the browser that shows it."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.chat_page import ChatPage

SHOWN = """({ AnswerView }, { pieces, isWhole }) => {
  const element = document.createElement("div");
  const view = new AnswerView(element);
  let text = "";
  for (const piece of pieces) view.grow((text += piece));
  if (isWhole) view.finish(text, { cut: false });
  for (const node of element.querySelectorAll(".growing")) {
    node.classList.remove("growing");
    if (node.className === "") node.removeAttribute("class");
  }
  for (const node of element.querySelectorAll("[target]")) node.removeAttribute("target");
  for (const node of element.querySelectorAll("[rel]")) node.removeAttribute("rel");
  for (const node of element.querySelectorAll(".code")) node.replaceWith(node.querySelector("pre"));
  for (const node of element.querySelectorAll("[tabindex]")) node.removeAttribute("tabindex");
  return element.innerHTML.replace(/\\n(?=<(?!\\/code>))/g, "");
}"""
LINK = "https://a.test/b"
# name: (Markdown, HTML without what every link, code block and table has)
DOCUMENTS = {
    "paragraphs": ("a\nb\n\nc", "<p>a<br>\nb</p><p>c</p>"),
    "bold": ("**a b** c", "<p><strong>a b</strong> c</p>"),
    "bold before a Korean particle": (
        "**회로(circuit)**는 **“말”**을",
        "<p><strong>회로(circuit)</strong>는 <strong>“말”</strong>을</p>",
    ),
    "stars that are not bold": ("2 ** 3 ** 4 and 2**8", "<p>2 ** 3 ** 4 and 2**8</p>"),
    "emphasis": (
        "*a* ***b*** ~~c~~ d_e_f",
        "<p><em>a</em> <em><strong>b</strong></em> <s>c</s> d_e_f</p>",
    ),
    "a range of numbers": ("1~2 3~4", "<p>1~2 3~4</p>"),
    "inline code": ("`a` ``b ` c`` `d", "<p><code>a</code> <code>b ` c</code> `d</p>"),
    "headings": ("# a\n### b ##\n#c", "<h3>a</h3><h5>b</h5><p>#c</p>"),
    "a rule": ("a\n\n---\nb\n---", "<p>a</p><hr><p>b</p><hr>"),
    "a quote": ("> a\n> - b\n\nc", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote><p>c</p>"),
    "a fence": (
        "```python\nif a < b:\n\n    **c**\n```\nd",
        '<pre><code class="language-python">if a &lt; b:\n\n    **c**\n</code></pre><p>d</p>',
    ),
    "a fence in a fence": ("````\n```\na\n```\n````", "<pre><code>```\na\n```\n</code></pre>"),
    "a fence that is not closed": ("~~~\na\n", "<pre><code>a\n</code></pre>"),
    "a list right after text": (
        "a:\n- b\n- c\n\nd",
        "<p>a:</p><ul><li>b</li><li>c</li></ul><p>d</p>",
    ),
    "a loose list": (
        "1. a\n\n2. b\n\n   more",
        "<ol><li><p>a</p></li><li><p>b</p><p>more</p></li></ol>",
    ),
    "a list that begins later": ("3) a", '<ol start="3"><li>a</li></ol>'),
    "a nested list": (
        "1. a\n   - b\n   - c\n     1. d\n2. e",
        "<ol><li>a<ul><li>b</li><li>c<ol><li>d</li></ol></li></ul></li><li>e</li></ol>",
    ),
    "code within a numbered list": (
        "1. a\n   ```\n   x\n     y\n   ```\n2. b",
        "<ol><li>a<pre><code>x\n  y\n</code></pre></li><li>b</li></ol>",
    ),
    "a year is no list": ("It was in\n1984. Then", "<p>It was in<br>\n1984. Then</p>"),
    "a table": (
        "| a | b | c |\n|---|:-:|--:|\n| 1<br>2 | `x\\|y` | **3** |\n\nd",
        (
            '<div class="table"><table><thead><tr><th>a</th><th class="align-center">b</th>'
            '<th class="align-right">c</th></tr></thead><tbody><tr><td>1<br>\n2</td>'
            '<td class="align-center"><code>x|y</code></td>'
            '<td class="align-right"><strong>3</strong></td></tr></tbody></table></div><p>d</p>'
        ),
    ),
    "links": (
        f"[a *b*]({LINK}) <{LINK}> {LINK}, [d](mailto:e@f.test)",
        (
            f'<p><a href="{LINK}">a <em>b</em></a> <a href="{LINK}">{LINK}</a> <a href="{LINK}">{LINK}</a>, '
            '<a href="mailto:e@f.test">d</a></p>'
        ),
    ),
    "a link that is defined later": (
        f"[a][1]\n\nb\n\n[1]: {LINK}",
        f'<p><a href="{LINK}">a</a></p><p>b</p>',
    ),
    "addresses that are no links": (
        "[a](javascript:b) [c](/d) a.test [e](data:text/html,f)",
        "<p>[a](javascript:b) [c](/d) a.test [e](data:text/html,f)</p>",
    ),
    "an image": (
        "![a chart](https://evil.test/b?c) ![](http://d.test)",
        '<p><span class="image">a chart (evil.test)</span> <span class="image">(d.test)</span></p>',
    ),
    "HTML is text": ("<b>a</b> &amp; &lt;", "<p>&lt;b&gt;a&lt;/b&gt; &amp; &lt;</p>"),
    "CRLF": ("a\r\nb\r\n\r\n- c\r\n", "<p>a<br>\nb</p><ul><li>c</li></ul>"),
}
# name: (what has come so far, what is shown of it)
HALVES = {
    "bold": ("a **bo", "<p>a <strong>bo</strong></p>"),
    "the first half of its end": ("a **bold text*", "<p>a <strong>bold text</strong></p>"),
    "bold that has not begun": ("a **", "<p>a</p>"),
    "a power": ("2**8 is", "<p>2**8 is</p>"),
    "code": ("a `co", "<p>a <code>co</code></p>"),
    "a link's text": ("see [the li", "<p>see the li</p>"),
    "a link's address": (f"see [the link]({LINK}", "<p>see the link</p>"),
    "a list's mark": ("a\n\n-", "<p>a</p>"),
    "a rule, or a list": ("a\n\n- -", "<p>a</p>"),
    "a table's head": ("a\n\n| b | c |\n|---|-", "<p>a</p>"),
    "a table's row": (
        "| a |\n|---|\n| b",
        '<div class="table"><table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table></div>',
    ),
    "a fence": ("```py\na *", '<pre><code class="language-py">a *</code></pre>'),
    "marks within a fence": ("```\n**a `b [c](d", "<pre><code>**a `b [c](d</code></pre>"),
}


@pytest.fixture(scope="module")
def page(browser, service):
    """One for all tables: they leave nothing behind."""
    with browser.new_context() as context:
        yield ChatPage(context.new_page(), service.url)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_markdown_becomes_nodes(page, name):
    text, html = DOCUMENTS[name]
    assert page.module("answer.js", SHOWN, {"pieces": [text], "isWhole": True}) == html


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_growing_document_ends_as_if_it_had_come_at_once(page, name):
    text, html = DOCUMENTS[name]
    assert page.module("answer.js", SHOWN, {"pieces": list(text), "isWhole": True}) == html


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(DOCUMENTS)), min_size=2, max_size=6),
    st.sampled_from(["\n", "\n\n"]),
)
def test_any_growing_text_ends_as_if_it_had_come_at_once(page, names, separator):
    text = separator.join(DOCUMENTS[name][0] for name in names)
    at_once = page.module("answer.js", SHOWN, {"pieces": [text], "isWhole": True})
    grown = page.module(
        "answer.js", SHOWN, {"pieces": re.findall(r"(?s).{1,7}", text), "isWhole": True}
    )
    assert grown == at_once


@pytest.mark.parametrize("name", HALVES)
def test_half_a_mark_does_not_flash(page, name):
    text, html = HALVES[name]
    assert page.module("answer.js", SHOWN, {"pieces": list(text), "isWhole": False}) == html
