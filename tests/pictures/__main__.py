"""`python -m tests.pictures [page|terminal|dashboards]`: pictures of the real thing, for people to look at.

They go into build/pictures; the one that the READMEs show, made with the dashboards, into docs/pictures.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.pictures import dashboards, page, terminal
from tests.support.chromium import FLAGS
from tests.support.service import ROOT

FOLDER = ROOT / "build/pictures"
KINDS: dict[str, Callable[[Browser, Path], list[Path]]] = {
    "page": page.draw,
    "terminal": terminal.draw,
    "dashboards": dashboards.draw,
}


def main(wanted: list[str]) -> int:
    path = shutil.which("chromium")
    if path is None:
        print("pictures: there is no Chromium on PATH (Debian: apt-get install chromium)")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for kind in wanted or KINDS:
            for picture in KINDS[kind](browser, FOLDER):
                size = picture.stat().st_size // 1024
                print(f"pictures: {picture.relative_to(ROOT)} ({size} KB)", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
