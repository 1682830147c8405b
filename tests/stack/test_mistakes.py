"""The mistakes with containers of docs/troubleshooting.md, made for real: each gets the sentence the page promises."""

import json
import re
import socket

import pytest

from tests.support.service import ROOT
from tests.support.stack import UP_FLAGS, eventually

PAGES = ("docs/troubleshooting.md", "docs/troubleshooting.ko.md")
DATABASE = "DATABASE_URL=postgresql://chat:{}/chat"
# what .env says, and what the service's log does
LOGGED = {
    "published": (
        "BIND_ADDRESS=0.0.0.0\nACCESS=auto",
        "BIND_ADDRESS=0.0.0.0 lets other machines in, and there is no API key yet",
    ),
    "key-mode": (
        "OPENAI_API_KEY_FILE=secrets/private",
        "with mode 600, and this process is uid 10001.",
    ),
    "password-marks": (
        DATABASE.format("p@ss/w#rd@postgres"),
        "DATABASE_URL: must be postgresql://user:password@host/database, the password percent-encoded",
    ),
    "password": (
        DATABASE.format("wrong@postgres"),
        "the database refuses the user or the password.",
    ),
    "database-host": (
        DATABASE.format("secret@postgres.invalid"),
        "the database cannot be reached: its host name cannot be resolved.",
    ),
}
# and what docker compose itself does
PRINTED = {
    "no-key-file": ("OPENAI_API_KEY_FILE=secrets/nowhere", "bind source path does not exist"),
    "dollar": ("OPENAI_API_KEY=sk-a$bc", "variable is not set. Defaulting to a blank string."),
}
TAKEN, FOREIGN = "address already in use", "cannot assign requested address"


@pytest.fixture(scope="module")
def mistaken(shipped):
    """up(dotenv): what docker compose prints."""
    key = shipped.folder / "secrets" / "private"
    key.parent.mkdir(exist_ok=True)
    key.write_text("sk-private\n")
    key.chmod(0o600)

    def up(dotenv):
        (shipped.folder / ".env").write_text(f"{dotenv}\n")
        command = ("up", "--detach", *UP_FLAGS)
        return shipped.compose(*command, check=False).stderr

    yield up
    (shipped.folder / ".env").write_text("")
    shipped.up()


@pytest.mark.parametrize(("dotenv", "sentence"), LOGGED.values(), ids=LOGGED)
def test_the_log_has_the_sentence(shipped, mistaken, dotenv, sentence):
    mistaken(dotenv)
    logs = ("logs", "--no-log-prefix", "service")
    eventually(lambda: sentence in shipped.compose(*logs).stdout, 120, sentence)


@pytest.mark.parametrize(("dotenv", "sentence"), PRINTED.values(), ids=PRINTED)
def test_compose_prints_the_sentence(mistaken, dotenv, sentence):
    assert sentence in mistaken(dotenv)


@pytest.mark.parametrize(("host", "sentence"), [("127.0.0.1", TAKEN), ("203.0.113.1", FOREIGN)])
def test_an_address_that_cannot_be_used_is_named(shipped, host, sentence):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        published = f"{host}:{taken.getsockname()[1]}:8080"
        image = shipped.inspect(shipped.containers("nginx")[0])["Config"]["Image"]
        command = ("docker", "run", "--rm", "--publish", published, "--entrypoint", "true", image)
        assert sentence in shipped.run(*command, check=False).stderr


@pytest.mark.parametrize("page", PAGES)
def test_the_override_of_the_page_moves_the_ports(shipped, page):
    text = (ROOT / page).read_text(encoding="utf-8")
    override = shipped.folder / "docker-compose.override.yml"
    override.write_text(re.findall(r"```yaml\n(.+?)```", text, re.DOTALL)[0])
    files = f"docker-compose.yml:{override.name}"
    try:
        said = shipped.compose("config", "--format", "json", COMPOSE_FILE=files).stdout
    finally:
        override.unlink()
    published = [
        port["published"]
        for name in ("nginx", "grafana")
        for port in json.loads(said)["services"][name]["ports"]
    ]
    assert published == ["8090", "3001"]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_has_every_sentence(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    sentences = [sentence for _, sentence in (LOGGED | PRINTED).values()]
    assert [each for each in (*sentences, TAKEN, FOREIGN) if f"`{each}`" not in text] == []
