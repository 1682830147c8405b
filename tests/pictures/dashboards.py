"""The first dashboard in three scenes (idle, load, outage), and page and dashboard side by side for the READMEs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser

from tests.drill.panels import Window, dashboards
from tests.drill.pictures import COLUMN_INCHES, draw_one
from tests.drill.stage import Stage, set_up
from tests.pictures.page import ANSWER, QUESTION
from tests.support.chat_page import ChatPage
from tests.support.service import ROOT
from tests.support.simulator import directive

README_PICTURE = ROOT / "docs/pictures/overview.png"
IDLE_SECONDS, LOAD_SECONDS, OUTAGE_SECONDS = 12, 40, 20
READERS = 9
FIRST_TURNS = 40
# the model is the simulator, under a name that has a price
SETTINGS = {
    "LLM_MODEL": "gpt-4o-mini",
    "LLM_MODELS": "gpt-4.1-mini",
    "FALLBACK_MODEL": "gpt-4.1-mini",
    "PRICES_FILE": None,
}
HEIGHT, PAGE_WIDTH, GAP = 860, 640, 16
# the dashboard's first two rows
SHOWN_OF_DASHBOARD = 0.55
NARROW_COLUMN_INCHES = 0.5


def draw(browser: Browser, folder: Path) -> list[Path]:
    with set_up(**SETTINGS) as stage:
        began = time.time()
        time.sleep(IDLE_SECONDS)
        idle = _draw(stage, began, folder / "dashboard-idle.png")
        # to windows as short as the drill's, the first turns of a service seem to be lost
        for _ in range(FIRST_TURNS):
            stage.ask("hi", 1)
        time.sleep(IDLE_SECONDS)
        began = time.time()
        page = folder / "page-beside.png"
        with ThreadPoolExecutor(READERS) as crowd:
            seen = threading.Event()
            for reader in range(READERS):
                crowd.submit(_read, stage, reader, seen)
            _draw_page(browser, stage, page)
            time.sleep(LOAD_SECONDS)
            load = _draw(stage, began, folder / "dashboard-load.png")
            beside = _draw(stage, began, folder / "dashboard-beside.png", NARROW_COLUMN_INCHES)
            seen.set()
        overview = _side_by_side(page, beside)
        began = time.time()
        stage.simulator.set_default("fault=500")
        while time.time() < began + OUTAGE_SECONDS:
            stage.ask(f"hi {time.monotonic_ns()}", 4)
        stage.nginx.stop()
        time.sleep(IDLE_SECONDS)
        outage = _draw(stage, began, folder / "dashboard-outage.png")
    return [idle, load, outage, overview]


def _draw(stage: Stage, began: float, path: Path, column_inches: float = COLUMN_INCHES) -> Path:
    first = next(each for each in dashboards() if each["uid"] == "chat-service")
    return draw_one(first, stage.watchers, Window(began, time.time()), path, column_inches)


def _read(stage: Stage, reader: int, seen: threading.Event) -> None:
    chain = "searching" if reader % 3 == 0 else "chat"
    while not seen.is_set():
        order = directive(first=0.1 + reader * 0.06, gap=0.02, tokens=40 + reader * 10)
        stage.ask(f"{order} {time.monotonic_ns()}", 1, chain=chain)


def _draw_page(browser: Browser, stage: Stage, path: Path) -> None:
    stage.simulator.set_default(f"text={quote(ANSWER)} gap=0.01")
    context = browser.new_context(
        locale="en-US",
        viewport={"width": PAGE_WIDTH, "height": HEIGHT},
    )
    page = ChatPage(context.new_page(), f"http://127.0.0.1:{stage.nginx.port}")
    page.ask(QUESTION)
    page.page.screenshot(path=path)
    context.close()
    stage.simulator.set_default("")


def _side_by_side(page: Path, dashboard: Path) -> Path:
    with Image.open(page) as left, Image.open(dashboard) as whole:
        right = whole.crop((0, 0, whole.width, round(whole.height * SHOWN_OF_DASHBOARD)))
        right = right.resize((round(right.width * HEIGHT / right.height), HEIGHT))
        picture = Image.new("RGB", (left.width + GAP + right.width, HEIGHT), "white")
        picture.paste(left, (0, 0))
        picture.paste(right, (left.width + GAP, 0))
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(256).save(README_PICTURE, optimize=True)
    return README_PICTURE
