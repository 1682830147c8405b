"""The clients in examples/, run as they are against the real service."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.support.access_store import FILE, make_key, unlimited_store
from tests.support.service import ROOT, Service, free_port
from tests.support.simulator import directive

EXAMPLES = ROOT / "examples"
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
CLIENTS = [
    pytest.param((sys.executable, "client.py"), id="python"),
    pytest.param(("node", "client.mjs"), id="javascript", marks=NODE),
]


def run(client, url, *question):
    return subprocess.run(
        [*client, *question],
        cwd=EXAMPLES,
        env={"PATH": os.environ["PATH"], "CHAT_URL": url, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_prints_the_answer(client, service):
    done = run(client, service.url, directive(text="안녕하세요, 세계\n두 번째 줄"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "안녕하세요, 세계\n두 번째 줄\n"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_says_what_is_wrong(client, service):
    done = run(client, service.url, " ")
    assert done.returncode != 0
    assert "invalid_request: The request is not valid.\n  question: " in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reports_a_stream_that_fails(client, service):
    done = run(client, service.url, directive(tokens=10, gap=0.2, fault="in-band-error", after=5))
    assert done.returncode != 0
    assert "upstream_error: The language model failed to answer" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_says_that_an_answer_was_cut(client, service):
    done = run(client, service.url + "/", directive(tokens=3, finish="length"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n(cut at the length limit)\n")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("question", [(), ("hi",)], ids=["no question", "no service"])
def test_a_mistake_is_one_sentence(client, question):
    done = run(client, f"http://127.0.0.1:{free_port()}", *question)
    assert done.returncode != 0
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("The connection to " if question else "usage: ")


@pytest.fixture(scope="module")
def site():
    """The examples folder as `python3 -m http.server` serves it."""
    port = free_port()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=EXAMPLES)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.shutdown()


@pytest.mark.browser
def test_the_page_asks_for_a_key_and_shows_the_answer(site, simulator, tmp_path):
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    data = unlimited_store(tmp_path)
    key = make_key(f"sqlite:///{data / FILE}", "team", allow_unpriced=True)
    with (
        Service(simulator.base_url, CORS_ORIGINS=site, DATA_DIR=data) as service,
        playwright.sync_playwright() as started,
    ):
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{site}/page.html?service={service.url}")
        page.fill("#question", directive(text="안녕하세요"))
        playwright.expect(page.locator("#key")).to_be_hidden()
        page.click("#ask")
        page.fill("#key", key)
        page.click("#ask")
        playwright.expect(page.locator("#answer")).to_have_text("안녕하세요")
        browser.close()
