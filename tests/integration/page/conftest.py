"""The chat page in a real Chromium, served by the real service."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.chat_page import ChatPage
from tests.support.chromium import FLAGS
from tests.support.service import Service
from tests.support.stub_service import StubService

PATIENCE_MS = 30_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/integration/page/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


# One per module, not per session: while it lives, no other test in this thread can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("there is no Chromium on PATH (Debian: apt-get install chromium)")
    if path is None:
        pytest.skip("the browser tests need Chromium on PATH (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, service: Service) -> Iterator[Callable[..., ChatPage]]:
    """Opens the page in a context of its own: open_page(locale="ko-KR", color_scheme="dark").

    Whatever a test does, the page may not leave its origin and may not complain in the console.
    """
    pages: list[ChatPage] = []
    with ExitStack() as stack:

        def start(at: Service = service, **options: object) -> ChatPage:
            context = browser.new_context(**{"locale": "en-US", **options})
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = ChatPage(context.new_page(), at.url)
            pages.append(page)
            return page

        yield start
    for page in pages:
        assert page.complaints == []
        assert page.foreign_requests == []


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


@pytest.fixture
def page(open_page: Callable[..., ChatPage]) -> ChatPage:
    return open_page()
