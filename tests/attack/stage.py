"""As it is attacked: nginx with its defaults, gunicorn with two workers, a model server that may attack."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attack.victims import QUESTION, Victims
from tests.bench.processes import cpu_seconds, memory_bytes
from tests.support.model_server import DONE, ModelServer, Reply, answers, fin, stream, text, usage
from tests.support.nginx import Nginx
from tests.support.service import Service

WORKERS = 2
MODEL = "gpt-4o-mini"
# the price of a million tokens in and out, as it is today
PRICES = (
    f'[models."{MODEL}"]\ninput = 0.15\ncached_input = 0.075\noutput = 0.60\nas_of = 2026-01-01\n'
)
VICTIMS_TOKENS, VICTIMS_PAUSE = 200, 0.02
# what a question of the attacker's begins with; the rest names a reply
ATTACK = "attack:"


@dataclass
class Stage:
    """replies: what the model server answers to attackers, by name."""

    service: Service
    nginx: Nginx
    replies: dict[str, Reply]

    def victims(self) -> Victims:
        return Victims(self.nginx.port)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.service.workers())

    def memory_bytes(self) -> int:
        return memory_bytes(self.service.workers())

    def ask(self, name: str) -> tuple[int, Any]:
        status, _, body = self.service.chat(ATTACK + name)
        return status, body

    def until_idle(self, seconds: float) -> float:
        """How long until no turn is under way."""
        began = time.monotonic()
        self.service.until("chat_turns_in_flight", 0, timeout=seconds)
        return time.monotonic() - began


@contextmanager
def running(*, open_access: bool, **settings: object) -> Iterator[Stage]:
    """open_access: limited as it is by default; else whoever asks is served."""
    with ExitStack() as held:
        replies: dict[str, Reply] = {}
        server = held.enter_context(ModelServer())
        server.answers_by(lambda body: reply_to(body, replies))
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="attack-")))
        (folder / "prices.toml").write_text(PRICES)
        if open_access:
            settings["DATA_DIR"] = folder / "data"
            (folder / "data").mkdir()
        service = Service(
            server.base_url,
            WEB_CONCURRENCY=WORKERS,
            LLM_MODEL=MODEL,
            PRICES_FILE=folder / "prices.toml",
            BREAKER_FAILURES=1_000_000,
            **settings,
        )
        held.callback(service.stop)
        service.wait_ready(120)
        service.until("chat_workers", WORKERS, timeout=120)
        nginx = held.enter_context(Nginx(f"127.0.0.1:{service.port}"))
        yield Stage(service, nginx, replies)


def reply_to(body: Any, replies: dict[str, Reply]) -> Reply:
    question = body["messages"][-1]["content"]
    if question == QUESTION:
        words = [text("word ")] * VICTIMS_TOKENS
        paced = [piece for word in words for piece in (word, VICTIMS_PAUSE)]
        counts = {"prompt_tokens": 20, "completion_tokens": VICTIMS_TOKENS}
        return stream(*paced, fin("stop"), usage(**counts), DONE)
    if question.startswith(ATTACK):
        return replies[question.removeprefix(ATTACK).split()[0]]
    return answers()


def question(text: str) -> bytes:
    return json.dumps({"question": text}).encode()
