"""`make loadtest`: locust without its web page, against HOST, in the shape LOAD_SHAPE.

Writes build/loadtest.html and build/loadtest.json. Exit code 1 if an answer was not whole, 3 if the run is not valid.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    environment = {
        "LOAD_SHAPE": "steady",
        "LOAD_SUMMARY": str(build / "loadtest.json"),
    } | os.environ
    arguments = [
        *("--locustfile", str(ROOT / "tests/load/locustfile.py")),
        *("--host", os.environ.get("HOST") or "http://localhost:8080"),
        *("--headless", "--only-summary", "--html", str(build / "loadtest.html")),
    ]
    os.execve(sys.executable, [sys.executable, "-m", "locust", *arguments], environment)


if __name__ == "__main__":
    main()
