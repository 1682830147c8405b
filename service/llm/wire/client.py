"""A worker's client for one server: its connections, what its models do not accept, and either transport."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

from service.errors import ChatError, UpstreamRejected
from service.llm.pace import Pace
from service.llm.wire.address import CHAT, Address, parse
from service.llm.wire.answer_stream import AnswerStream, Ask
from service.llm.wire.connections import server_at
from service.llm.wire.habits import Habits
from service.llm.wire.lean_transport import LeanTransport
from service.llm.wire.learned import Change
from service.llm.wire.look import Finding, look_at
from service.llm.wire.payload import composed, headers_for, takes_temperature
from service.llm.wire.question import Question
from service.llm.wire.stock_http import http_client
from service.llm.wire.stock_transport import StockTransport, refuse
from service.llm.wire.think_tags import Stripped

# the package requires a key; the header that is sent is ours
NO_KEY = "none"
# called with model, parameter and how it was adapted
Adapted = Callable[[str, str, Change], None]


@dataclass(frozen=True)
class Access:
    """How to reach a model. read_seconds: a backstop for the app's own deadlines."""

    base_url: str
    api_key: str
    connect_seconds: float
    read_seconds: float
    connections: int
    extra_headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """One per server and worker, after the fork. Raises UnusableProxy."""

    def __init__(
        self,
        access: Access,
        tick_seconds: float,
        adapted: Adapted,
        *,
        lean: bool,
        strip_think_tags: Stripped,
    ) -> None:
        self._address = parse(access.base_url)
        self._headers = headers = headers_for(self._address, access.api_key, access.extra_headers)
        make = _lean if lean else _stock
        self._ask, self.close = make(access, self._address, headers, tick_seconds)
        self._adapted = adapted
        self._strip_think_tags = strip_think_tags
        self._habits: dict[str, Habits] = {}

    def stream(
        self, asked: Mapping[str, Any], own: frozenset[str], request_id: str
    ) -> AnswerStream:
        """asked: LangChain's payload. own: the parameters that the caller chose."""
        more = dict(asked)
        headers, body = more.pop("extra_headers", None), more.pop("extra_body", None)
        model = str(more["model"])
        payload = composed(more | (body or {}), self._address.kind)
        if "temperature" not in own and not takes_temperature(model):
            payload.pop("temperature", None)
        habits = self._habits_of(model)
        question = Question(
            self._address,
            self._address.target(CHAT),
            habits,
            habits.known.applied(payload, own),
            own,
            request_id,
            habits.known,
            headers or {},
        )
        return AnswerStream(
            question, self._ask, self._failed, strip_think_tags=self._strip_think_tags
        )

    def look(self, models: Sequence[str]) -> Finding | None:
        """Checks our configuration against the server's list of models; None: nothing is wrong."""
        return look_at(self._address, self._headers, models)

    def _failed(self, question: Question, failure: ChatError) -> None:
        question.explain(failure)
        if isinstance(failure, UpstreamRejected):
            # the operator needs to know which address
            failure.cause = f"{failure.cause}, at {self._address.shown(CHAT)}"

    def _habits_of(self, model: str) -> Habits:
        if model not in self._habits:
            self._habits[model] = Habits(
                lambda parameter, change: self._adapted(model, parameter, change)
            )
        return self._habits[model]


# asks a question, and closes all connections
Ways = tuple[Ask, Callable[[], None]]


def _lean(access: Access, address: Address, headers: dict[str, str], tick_seconds: float) -> Ways:
    server = server_at(address, headers, access.connect_seconds, access.connections)
    pace = Pace()
    close: Callable[[], None] = server.connections.close
    return lambda question: LeanTransport(server, question, tick_seconds, pace), close


def _stock(access: Access, address: Address, headers: dict[str, str], tick_seconds: float) -> Ways:
    # a plain number would set the connect timeout, too
    timeout = openai.Timeout(access.read_seconds, connect=access.connect_seconds)
    # Omit removes the package's own header
    sent: dict[str, Any] = {"Authorization": openai.Omit(), **headers}
    client = openai.OpenAI(
        api_key=NO_KEY,
        base_url=address.origin,
        organization="",
        project="",
        timeout=timeout,
        max_retries=0,
        http_client=http_client(address, timeout, access.connections, refuse),
    )
    return lambda question: StockTransport(client, sent, question, tick_seconds), client.close
