"""The chat page as its reader uses it.

page = ChatPage(context.new_page(), service.url)
page.ask("hi")
expect(page.turn).to_have_attribute("data-state", "done")
"""

from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

# Chromium logs every answer of 400 and above by itself; the page shows those to its reader.
OWN_WORDS_OF_CHROMIUM = "Failed to load resource"
OPEN_ATTEMPTS = 3
LOADED = "#language-switch:not(:empty)"
LOADED_OR_NOT = f"{LOADED}:visible, .not-loaded-note:visible"
# Keeps what the answer showed after each change, as a reader would have seen it.
WATCH = """() => {
  window.seen = [];
  const turns = document.getElementById("turns");
  const look = () => {
    const text = document.querySelector(".turn:last-child .answer")?.textContent ?? "";
    if (window.seen.at(-1) !== text) window.seen.push(text);
  };
  new MutationObserver(look).observe(turns, { childList: true, subtree: true, characterData: true });
}"""
# Keeps what a screen reader was given to say.
LISTEN = """() => {
  window.heard = [];
  const announcer = document.getElementById("announcer");
  new MutationObserver(() => window.heard.push(announcer.textContent)).observe(announcer, { childList: true });
}"""


class ChatPage:
    """complaints: errors in the console, the content security policy's included; foreign_requests: left the origin."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.foreign_requests: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._on_request)
        self.open()

    def open(self) -> None:
        """Reloads when Chromium gave up loading, which it does if any program changes the machine's network."""
        loaded = self.page.locator(LOADED)
        for _ in range(OPEN_ATTEMPTS):
            self.page.goto(self.url)
            expect(self.page.locator(LOADED_OR_NOT).first).to_be_visible()
            if loaded.is_visible():
                return
        expect(loaded).to_be_visible()

    @property
    def field(self) -> Locator:
        return self.page.locator("#question")

    @property
    def turn(self) -> Locator:
        """The newest one."""
        return self.page.locator(".turn:last-child")

    @property
    def answer(self) -> Locator:
        return self.turn.locator(".answer")

    @property
    def problem(self) -> Locator:
        return self.turn.locator("[data-part=problem]")

    @property
    def retry(self) -> Locator:
        return self.turn.locator("[data-part=retry]")

    def figure(self, name: str) -> Locator:
        return self.turn.locator(f"[data-figure={name}]")

    def ask(self, question: str, state: str | None = "done") -> None:
        """Sends by Enter and waits for the turn's state (None: does not wait)."""
        self.field.fill(question)
        self.field.press("Enter")
        if state is not None:
            self.expect_state(state)

    def expect_state(self, state: str) -> None:
        expect(self.turn).to_have_attribute("data-state", state)

    def watch(self) -> None:
        """From now on `seen` records every text that the newest answer showed."""
        self.page.evaluate(WATCH)

    def seen(self) -> list[str]:
        texts: list[str] = self.page.evaluate("window.seen")
        return texts

    def listen(self) -> None:
        """From now on `heard` records what screen readers announce."""
        self.page.evaluate(LISTEN)

    def heard(self) -> list[str]:
        texts: list[str] = self.page.evaluate("window.heard")
        return texts

    def module(self, name: str, script: str, argument: Any = None) -> Any:
        """Runs a function of (module, argument) in the page."""
        return self.page.evaluate(
            f"async (argument) => ({script})(await import('/static/{name}'), argument)", argument
        )

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and OWN_WORDS_OF_CHROMIUM not in message.text:
            self.complaints.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.url}/"):
            self.foreign_requests.append(request.url)
