"""docs/deploying.md as a newcomer walks it, on a stack made for that: every command that can be run here."""

import re
import time

import pytest

from tests.support.service import ROOT
from tests.support.stack import Stack, eventually

KEY = re.compile(r"csk_\w+")
CREATE = "docker compose exec service flask keys create --name team-a --budget-usd-month 50"
COMMANDS = (
    "docker compose up --build --wait",
    "deploy/smoke.sh",
    CREATE,
    "docker compose exec service flask usage",
    "make alert-test",
    "deploy/backup.sh save FOLDER",
    "deploy/backup.sh restore FOLDER",
    "deploy/update.sh",
)


class Walk(Stack):
    """Beside the stack of the other tests, for its first key closes it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.project += "-walk"
        self._environment["COMPOSE_PROJECT_NAME"] = self.project

    def asked_with(self, key):
        """The status of /chat."""
        given = ("--header", f"Authorization: Bearer {key}") if key else ()
        done = self.run(
            *("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *given),
            *("--json", '{"question": "hi"}', f"http://127.0.0.1:{self.front_door}/chat"),
            check=False,
        )
        return done.stdout


@pytest.fixture
def walk(tmp_path):
    walk = Walk(tmp_path / "clone")
    try:
        yield walk
    finally:
        walk.down()


def test_the_checklist_leads_to_a_stack_that_serves(walk, figures, tmp_path):
    began = time.monotonic()
    walk.up("--build")
    # Prometheus has its first figures a moment later
    smoke = lambda **key: walk.run("deploy/smoke.sh", check=False, **key).stdout  # noqa: E731
    eventually(lambda: "FAILED" not in smoke(), 90, "the stack is as it should be")
    key = KEY.search(walk.run(*CREATE.split()[:3], "-T", *CREATE.split()[3:]).stdout)[0]
    # another worker may know it a moment later
    eventually(lambda: walk.asked_with("") == "401", 30, "a question without a key is refused")
    eventually(lambda: walk.asked_with(key) == "200", 30, "one with a key is answered")
    assert "set CHAT_API_KEY" in smoke()
    eventually(lambda: "FAILED" not in smoke(CHAT_API_KEY=key), 90, "it is so with a key")
    usage = ("exec", "-T", "service", "flask", "usage", "--by", "key", "--json")
    eventually(lambda: "team-a" in walk.compose(*usage).stdout, 30, "the ledger has it")
    alert = walk.run("deploy/alert-test.sh", check=False, ALERT_TEST_SECONDS="1")
    assert "has the receiver" in alert.stderr
    walk.run("deploy/backup.sh", "save", str(tmp_path / "backup"))
    walk.run("deploy/backup.sh", "restore", str(tmp_path / "backup"))
    eventually(lambda: walk.asked_with(key) == "200", 60, "the key is there after a restore")
    assert "done" in walk.run("deploy/update.sh").stdout
    assert walk.asked_with(key) == "200"
    took = time.monotonic() - began
    figures.append(f"a walk through docs/deploying.md, images known: {took:.0f} s")


@pytest.mark.parametrize("page", ["docs/deploying.md", "docs/deploying.ko.md"])
def test_the_page_names_what_was_walked(page):
    text = (ROOT / page).read_text(encoding="utf-8").replace("폴더", "FOLDER")
    assert [each for each in COMMANDS if each not in text] == []
