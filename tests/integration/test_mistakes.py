"""The mistakes of docs/troubleshooting.md, made for real: each gets the sentence that the page promises."""

import json
import socket

import pytest

from tests.support.access_store import FILE, make_key, unlimited_store
from tests.support.launcher import Checkout
from tests.support.service import ROOT, Service, free_port
from tests.support.upstream import Upstream, whole

RUN, SERVE = "deploy.local.run", "deploy.local.serve"
SK = "sk-canary-0123456789abcdef"
# what is set, or written into .env, and the sentence
REFUSED_AT_START = {
    "no-equals-sign": (f"OPENAI_API_KEY {SK}\n", {}, ".env, line 1: this is not NAME=value."),
    "open-quote": (
        f"OPENAI_API_KEY='{SK}\n",
        {},
        r"a value with quotes, $ or \ goes into 'single quotes'.",
    ),
    "port": ("PORT=http\n", {}, "PORT is not a port number from 1 to 65535."),
    "host": ("", {"HOST": "203.0.113.1"}, "Cannot assign requested address."),
    "workers": (
        "WEB_CONCURRENCY=zero\n",
        {},
        "The service cannot start: WEB_CONCURRENCY: must be a whole number from 1 to 64.",
    ),
    "number": (
        "MAX_OUTPUT_TOKENS=many\n",
        {},
        "The service cannot start: MAX_OUTPUT_TOKENS: must be a whole number.",
    ),
    "choice": (
        "LOG_LEVEL=verbose\n",
        {},
        "The service cannot start: LOG_LEVEL: must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'.",
    ),
    "address-without-scheme": (
        "OPENAI_BASE_URL=api.openai.com/v1\n",
        {},
        "The service cannot start: OPENAI_BASE_URL: must be an http:// or https:// address.",
    ),
    "key-with-a-space": (
        "",
        {"OPENAI_API_KEY": f"{SK} x"},
        "The service cannot start: OPENAI_API_KEY: must be one line of ASCII characters without spaces.",
    ),
    "key-file": (
        "OPENAI_API_KEY_FILE=/nowhere/key\n",
        {},
        "The service cannot start: OPENAI_API_KEY_FILE cannot be read: there is no such file.",
    ),
    "origin": (
        "CORS_ORIGINS=*\n",
        {},
        "The service cannot start: CORS_ORIGINS: each origin must be scheme://host[:port], without a path, and not *.",
    ),
    "redis": (
        "REDIS_URL=localhost:6379\n",
        {},
        "The service cannot start: REDIS_URL: must be redis://[:password@]host[:port], the password percent-encoded.",
    ),
    "prices": (
        "PRICES_FILE=prices.toml\n",
        {},
        "The service cannot start: PRICES_FILE: there is no such file.",
    ),
    "grace": (
        "STOP_GRACE_SECONDS=10\n",
        {},
        "The service cannot start: STOP_GRACE_SECONDS must be at least DRAIN_SECONDS + 15 = 320.",
    ),
}
JSON = {"Content-Type": "application/json"}
# method, path, body, headers; status and the sentence, or the reason of the field
REFUSED_REQUESTS = {
    "field": (
        "POST",
        "/chat",
        '{"question": "hi", "max_token": 5}',
        JSON,
        400,
        "is not a field of this request",
    ),
    "missing": ("POST", "/chat", "{}", JSON, 400, "is required"),
    "not-json": ("POST", "/chat", "question=hi", JSON, 400, "The request is not valid."),
    "type": (
        "POST",
        "/chat",
        '{"question": "hi"}',
        {},
        415,
        "Send the request as uncompressed UTF-8 JSON with Content-Type: application/json.",
    ),
    "model": (
        "POST",
        "/chat",
        '{"question": "hi", "model": "gpt-5"}',
        JSON,
        400,
        "is not one of the allowed models",
    ),
    "path": ("POST", "/api/chat", "{}", JSON, 404, "Not found."),
    "method": ("GET", "/chat", None, {}, 405, "Method not allowed."),
    "key": (
        "POST",
        "/chat",
        '{"question": "hi"}',
        JSON | {"Authorization": "Bearer csk_wrong"},
        401,
        "A valid API key is required.",
    ),
}
# what the model's server answers when it is asked for its models
FOUND_AT_START = {
    "wrong-key": (401, {"error": {"code": "invalid_api_key"}}, "rejects the key."),
    "wrong-model": (200, {"data": [{"id": "gpt-4o"}]}, "does not list sim."),
    "wrong-address": (404, {}, "most servers expect an address that ends in /v1."),
}
NOBODY_LISTENS = "cannot be reached (Connection refused)."
NO_NETWORK = "cannot be reached (the host name cannot be resolved)."
TYPO = "warning: .env: OPENAI_APIKEY is not a setting; did you mean OPENAI_API_KEY?"
TAKEN = "cannot be used (Address already in use); stop the program that uses it, or set PORT to another."
WITHOUT_KEY = "needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server without a key"
SENTENCES = [
    *(sentence for *_, sentence in REFUSED_AT_START.values()),
    *(sentence for *_, sentence in REFUSED_REQUESTS.values()),
    *(sentence for *_, sentence in FOUND_AT_START.values()),
    *(NOBODY_LISTENS, NO_NETWORK, TYPO, TAKEN, WITHOUT_KEY),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


def said(checkout, module, dotenv="", **variables):
    """Its only output, but for warnings: a line, and no stack trace."""
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    upstream = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"} if module == SERVE else {}
    written = {line.partition("=")[0] for line in dotenv.splitlines()}
    given = {name: value for name, value in (ports | upstream).items() if name not in written}
    checkout.write_dotenv(dotenv)
    done = checkout.run(module, **given | variables)
    assert done.returncode != 0
    assert SK not in done.stdout + done.stderr
    lines = (done.stdout + done.stderr).strip().splitlines()
    return [line for line in lines if not line.startswith("warning:")], lines


@pytest.mark.parametrize(
    ("dotenv", "variables", "sentence"), REFUSED_AT_START.values(), ids=REFUSED_AT_START
)
def test_a_mistake_in_a_setting_is_one_sentence(checkout, dotenv, variables, sentence):
    (line,), _ = said(checkout, SERVE, dotenv, **variables)
    assert line.endswith(sentence)


def test_a_misspelt_name_is_named_with_the_nearest(checkout):
    assert TYPO in said(checkout, SERVE, f"OPENAI_APIKEY={SK}\nPORT=none\n")[1]


def test_a_taken_port_is_named(checkout):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (line,), _ = said(checkout, RUN, PORT=str(taken.getsockname()[1]))
    assert line.endswith(TAKEN)


def test_a_model_without_its_key_is_named(checkout):
    (line,), _ = said(checkout, RUN, LLM_MODEL="gpt-4o-mini")
    assert WITHOUT_KEY in line


@pytest.mark.parametrize(
    ("status", "body", "sentence"), FOUND_AT_START.values(), ids=FOUND_AT_START
)
def test_what_the_provider_refuses_is_said_before_ready(status, body, sentence):
    answer = whole(status, json.dumps(body).encode())
    with (
        Upstream(lambda _request, connection: connection.sendall(answer)) as upstream,
        Service(f"http://{upstream.address}/v1", OPENAI_API_KEY=SK, LOG_FORMAT="text") as service,
    ):
        service.line("WARNING", sentence)


def test_a_provider_that_nobody_reaches_is_said_before_ready():
    with Service(f"http://127.0.0.1:{free_port()}/v1", LOG_FORMAT="text") as service:
        service.line("WARNING", NOBODY_LISTENS)


@pytest.fixture(scope="module")
def with_keys(_simulator, tmp_path_factory):
    data = unlimited_store(tmp_path_factory.mktemp("data"))
    key = make_key(f"sqlite:///{data / FILE}", "team")
    with Service(_simulator.base_url, DATA_DIR=data) as service:
        yield service, {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "sentence"),
    REFUSED_REQUESTS.values(),
    ids=REFUSED_REQUESTS,
)
def test_a_mistake_in_a_request_is_named(with_keys, method, path, body, headers, status, sentence):
    service, key = with_keys
    answer = service.request(method, path, body, key | headers)
    assert answer[0] == status
    error = json.loads(answer[2])["error"]
    reasons = [detail["reason"] for detail in error.get("details", [])]
    assert sentence in [error["message"], *reasons]


@pytest.mark.parametrize("page", ["docs/troubleshooting.md", "docs/troubleshooting.ko.md"])
def test_the_page_has_every_sentence(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [sentence for sentence in SENTENCES if f"{sentence}`" not in text] == []
    assert len(SENTENCES) >= 25
