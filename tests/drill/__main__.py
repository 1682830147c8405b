"""`python -m tests.drill [ALERT…]`: injects real faults and checks that the right alerts arrive.

A real Prometheus and Alertmanager with the shipped rules, all durations divided by one factor. At the end every panel
of every dashboard is asked, and drawn into build/dashboards. Exit code 1 if an alert or a panel's data is missing.
"""

import shutil
import sys
import time
import urllib.request

from tests.agreement.catalogue import rules
from tests.drill import panels, pictures, scenes
from tests.drill.faster import FACTOR
from tests.drill.stage import Stage, set_up
from tests.drill.watchers import PROGRAMS
from tests.support.service import ROOT
from tests.support.simulator import directive

# the slowest has to hold for 30 s, and Alertmanager gathers for 10 s; six times as much for a slow machine
ARRIVES_WITHIN_SECONDS = 240
CALM_SECONDS = 15
PICTURES = ROOT / "build/dashboards"


def main(wanted: list[str]) -> int:
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        print(
            f"drill: not on this machine: {', '.join(missing)} (Debian's packages of these names)"
        )
        return 1
    started = time.time()
    with set_up() as stage:
        failed = _calm(stage)
        for scene in scenes.SCENES:
            if not wanted or set(wanted) & set(scene.alerts):
                failed += _play(scene, stage)
        window = panels.Window(started, time.time())
        failed += [f"no data: {each}" for each in panels.empty(stage.watchers, window)]
        for path in pictures.draw(stage.watchers, window, PICTURES):
            print(f"drill: drew {path.relative_to(ROOT)}")
    failed += [] if wanted else _forgotten()
    for complaint in failed:
        print(f"drill: FAILED: {complaint}")
    played = sum(len(scene.alerts) for scene in scenes.SCENES)
    print(f"drill: {played} alerts, times divided by {FACTOR}, {time.time() - started:.0f} s")
    return 1 if failed else 0


def _calm(stage: Stage) -> list[str]:
    """While all is well, nothing but Watchdog may arrive."""
    began = time.time()
    while time.time() < began + CALM_SECONDS:
        stage.ask(directive(tokens=4, gap=0.05), 1)
        stage.ask(directive(tokens=4), 1, chain="searching")
    told = stage.receiver.wait("Watchdog", 0, ARRIVES_WITHIN_SECONDS)
    arrived = stage.receiver.began_since(began)
    surplus = [labels for labels in arrived if labels["alertname"] != "Watchdog"]
    complaints = [f"although all is well: {labels}" for labels in surplus]
    return complaints if told else [*complaints, "Watchdog did not arrive"]


def _play(scene: scenes.Scene, stage: Stage) -> list[str]:
    began = time.time()
    since = 0.0 if scene.earlier_counts else began
    missing = set(scene.alerts)
    links = []
    with scenes.played(scene, stage):
        while missing and time.time() < began + ARRIVES_WITHIN_SECONDS:
            scene.act(stage)
            for name in sorted(missing):
                if told := stage.receiver.wait(name, since, 0.1):
                    missing.remove(name)
                    links += _link(name, told["annotations"].get("runbook_url", ""))
                    print(f"drill: {name} arrived after {time.time() - began:.0f} s", flush=True)
    return [f"{name} did not arrive" for name in sorted(missing)] + links


def _link(name: str, link: str) -> list[str]:
    """Follows the link as its reader would."""
    try:
        with urllib.request.urlopen(link, timeout=10) as page:
            text = page.read().decode()
    except (OSError, ValueError):
        text = ""
    headings = {line[3:].lower() for line in text.splitlines() if line.startswith("## ")}
    found = link.partition("#")[2] in headings
    return [] if found else [f"{name} links to {link}, which is nowhere"]


def _forgotten() -> list[str]:
    """Every alert is played."""
    played = {name for scene in scenes.SCENES for name in scene.alerts} | {"Watchdog"}
    shipped = {rule["alert"] for rule in rules("alert")}
    return [f"{name} is never drilled" for name in shipped - played]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
