"""The environment as settings: every variable's good and bad values, and refusals that never repeat a value."""

import os
import tempfile
from pathlib import Path
from types import NoneType
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from pydantic import ValidationError

from service.settings import Settings, UnsafeSettings, kinds, load
from service.settings.model import SECRETS as SECRET_FIELDS

KEY = {"OPENAI_API_KEY": "sk-test-1234567890"}
NOBODY = 65534
# what each setting of a kind takes and refuses
KIND_GOOD = {
    kinds.Host: [("0.0.0.0", "0.0.0.0"), ("::1", "::1")],
    kinds.Port: [("1", 1), ("65535", 65535)],
    kinds.Count: [("1", 1), ("10000000", 10_000_000)],
    kinds.Seconds: [("0.5", 0.5), ("86400", 86400)],
    kinds.ShortWait: [("0", 0), ("10", 10)],
    kinds.Heartbeat: [("0.5", 0.5), ("20", 20)],
    kinds.Share: [("0", 0), ("1", 1)],
    kinds.Temperature: [("0", 0), ("2", 2)],
    kinds.Names: [("a, b,,c ", ("a", "b", "c")), (",", ())],
    kinds.HostNames: [("chat.example.com, *.example.com", ("chat.example.com", "*.example.com"))],
    kinds.Url: [
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1"),
        ("https://llm.example.com/v1/", "https://llm.example.com/v1"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
    kinds.ExistingFile: [(__file__, __file__)],
    kinds.LogLevel: [("DEBUG", "DEBUG"), ("warning", "WARNING")],
    kinds.Origins: [
        (
            "https://a.example.com, http://localhost:5500",
            ("https://a.example.com", "http://localhost:5500"),
        ),
    ],
    kinds.TimeZone: [("Asia/Seoul", "Asia/Seoul"), ("UTC", "UTC")],
    kinds.AccessMode: [("keys", "keys"), ("open", "open")],
    bool: [("false", False), ("0", False), ("true", True), ("1", True)],
    str: [("sim:tokens=5", "sim:tokens=5"), ("You {are} 간결한.", "You {are} 간결한.")],
}
KIND_BAD = {
    kinds.Host: ["nowhere", "127.0.0.1:8000", "[::1]", "http://127.0.0.1"],
    kinds.Port: ["0", "65536", "-1", "8000.5", "http"],
    kinds.Count: ["0", "-5", "1.5", "10000001", "many", "nan"],
    kinds.Seconds: ["0", "-1", "nan", "inf", "1e9", "ten", "5s"],
    kinds.ShortWait: ["-1", "11", "nan", "soon"],
    kinds.Heartbeat: ["0", "21", "nan", "soon"],
    kinds.Share: ["-0.1", "1.1", "nan", "half"],
    kinds.Temperature: ["-0.1", "2.1", "nan", "inf", "warm"],
    kinds.Names: [],
    kinds.HostNames: ["https://chat.example.com", "chat.example.com:8443", "a.test b.test"],
    kinds.Url: [
        *(
            "api.example.com",
            "ftp://host-of-ours",
            "https://",
            "http://:8000",
            "file:///etc/passwd",
        ),
        *(
            "http://host:notaport",
            "http://host:99999",
            "http://[::1",
            "http://user:secret@ho℀st/v1",
        ),
    ],
    kinds.ExistingFile: ["/no/such/prices.toml", "/"],
    kinds.LogLevel: ["LOUD", "10"],
    kinds.RedisUrl: [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://:pa/ss-word@host:6379",
        "redis://host..example:6379",
    ],
    kinds.DatabaseUrl: [
        *(
            "data/access.sqlite3",
            "mysql://user:hunter2@host/chat",
            "postgresql://",
            "postgresql://host",
        ),
        *("postgresql://user:hun/ter2@host/chat", "postgresql://user:hunter2@host:port/chat"),
        *("postgresql://user:hun@ter2@host/chat", "postgresql://user:1/hun@ter2@host/chat"),
        *(
            "postgresql://user:hunter2@ss/word@host/chat",
            "postgresql://user:hun@ter/2#@host/chat",
            "postgresql://user:hunter2@host..example/chat",
        ),
    ],
    kinds.TimeZone: ["Mars/Olympus", "KST+9", "/etc/localtime", "../UTC"],
    kinds.AccessMode: ["closed", "KEYS"],
    kinds.Origins: [
        *("*", "https://*.example.com", "null", "example.com", "https://a.example.com/"),
        *("https://a.example.com/page", "ftp://a.example.com", "https://user:secret@a.example.com"),
        *("https://", "https://good.example.com,*", "https://a.example.com?x", "https://a b"),
    ],
    bool: ["maybe", "2"],
    str: [],
}
# instead of, and beside, what their kind takes and refuses
GOOD = {
    "WEB_CONCURRENCY": [("1", 1), ("64", 64)],
    "LLM_CLIENT": [("lean", "lean"), ("stock", "stock")],
    "LOG_FORMAT": [("text", "text"), ("json", "json")],
    "STRIP_THINK_TAGS": [
        ("true", "true"),
        ("On", "true"),
        ("0", "false"),
        ("unopened", "unopened"),
    ],
    "LLM_TEMPERATURE": [("0", 0), ("2", 2), ("", None), ("  ", None), ("none", None)],
    "MAX_OUTPUT_TOKENS": [("1", 1), ("10000000", 10_000_000), ("none", None), ("None", None)],
    "SYSTEM_PROMPT": [("none", None), ("none at all", "none at all")],
    "STOP_GRACE_SECONDS": [("320", 320), ("86400", 86400)],
    "ACCESS_WITHOUT_STORE": [("serve", "serve"), ("refuse", "refuse")],
    "LEDGER_DAYS": [("1", 1), ("36500", 36500)],
    "RETRY_ATTEMPTS": [("1", 1), ("10", 10)],
    "CHAT_KEEPALIVE_SECONDS": [("0", 0), ("30", 30), ("250", 250)],
}
BAD = {
    "METRICS_PORT": ["8000"],
    "WEB_CONCURRENCY": ["0", "65", "auto"],
    "LLM_CLIENT": ["fast", "STOCK"],
    "LOG_FORMAT": ["xml", "TEXT"],
    "STRIP_THINK_TAGS": ["maybe", "2"],
    "STOP_GRACE_SECONDS": ["319"],
    "ACCESS_WITHOUT_STORE": ["allow"],
    "LEDGER_DAYS": ["0", "36501", "a year"],
    "RETRY_ATTEMPTS": ["0", "11", "three"],
    "CHAT_KEEPALIVE_SECONDS": ["-1", "251", "nan", "soon"],
    "MAX_QUESTION_CHARS": ["none"],
}
# what a sentence says by itself
SAID_ANYWAY = {"https://", "redis://", "postgresql://", "none"}
SECRETS = {name.upper() for name in SECRET_FIELDS}


def parts(hint):
    """What a type is made of: the bare type, and what Annotated adds to it."""
    if get_origin(hint) is Annotated:
        inner, added = hint.__origin__, hint.__metadata__
        bare, first = parts(inner)
        return bare, (*first, *added)
    if NoneType in get_args(hint):
        return parts(get_args(hint)[0])
    return hint, ()


def is_of(kind, hint):
    (bare, added), (wanted, first) = parts(hint), parts(kind)
    return bare == wanted and added[: len(first)] == first


def kind_of(hint):
    """The most special one that the tables know, such as Count behind Annotated[Count, NGINX]."""
    found = [kind for kind in [*KIND_GOOD, *KIND_BAD] if is_of(kind, hint)]
    return max(found, key=lambda kind: len(parts(kind)[1]), default=None)


HINTS = {
    name.upper(): hint
    for name, hint in get_type_hints(Settings, include_extras=True).items()
    if name in Settings.model_fields
}
KINDS = {name: kind_of(hint) for name, hint in HINTS.items()}
GOOD_CASES = [
    (name, *case)
    for name, kind in KINDS.items()
    for case in GOOD.get(name, KIND_GOOD.get(kind, []))
]
BAD_CASES = [
    (name, value)
    for name, kind in KINDS.items()
    for value in [*KIND_BAD.get(kind, []), *BAD.get(name, [])]
]


def refusal(environment) -> str:
    with pytest.raises(UnsafeSettings) as caught:
        load(environment)
    return str(caught.value)


def test_every_setting_is_of_a_kind_that_is_tested():
    untested = {name for name, kind in KINDS.items() if kind is None}
    # secrets have tests of their own
    assert untested <= (GOOD.keys() & BAD.keys()) | SECRETS


@pytest.mark.parametrize(("name", "text", "value"), GOOD_CASES)
def test_a_good_value_is_taken(name, text, value):
    assert getattr(load(KEY | {name: f" {text} "}), name.lower()) == value


@pytest.mark.parametrize(("name", "text"), BAD_CASES)
def test_a_bad_value_is_refused_by_its_variables_name_alone(name, text):
    said = refusal(KEY | {name: text})
    assert name in said
    assert "\n" not in said
    # short ones are numbers that the limits in the sentence may hold, too
    assert len(text) < 5 or text in SAID_ANYWAY or text not in said
    assert "secret" not in said
    assert "ss-word" not in said


@pytest.mark.parametrize("name", sorted(HINTS.keys() - {"LLM_TEMPERATURE"} - SECRETS))
def test_an_empty_variable_means_its_default(name):
    assert load(KEY | {name: " "}) == load(KEY)


def test_every_bad_variable_is_named_at_once():
    said = refusal(KEY | {"PORT": "x", "LOG_LEVEL": "y", "RETRY_ATTEMPTS": "0"})
    assert said.count("; ") == 2
    assert all(name in said for name in ("PORT", "LOG_LEVEL", "RETRY_ATTEMPTS"))


def test_what_the_environment_holds_besides_is_nothing_to_us():
    assert load(KEY | {"HOME": "/", "UNKNOWN": "x", "port": "9"}) == load(KEY)


def test_settings_cannot_be_changed():
    loaded = load(KEY)
    with pytest.raises(ValidationError):
        loaded.port = 9


# what must fit together


def test_a_key_is_needed_for_openai_itself():
    assert "OPENAI_API_KEY" in refusal({})
    assert load({"OPENAI_BASE_URL": "http://127.0.0.1:9000/v1"}).api_key == ""


def test_the_two_ports_differ():
    said = refusal(KEY | {"PORT": "9000", "METRICS_PORT": "9000"})
    assert "PORT and METRICS_PORT" in said


def test_the_default_model_is_allowed_and_first():
    assert load(KEY | {"LLM_MODEL": "b", "LLM_MODELS": "a,b,c"}).models == ("b", "a", "c")
    assert load(KEY | {"LLM_MODEL": "b"}).models == ("b",)


@pytest.mark.parametrize(
    ("environment", "drain", "graceful"),
    [
        ({}, 305, 310),
        ({"TURN_TIMEOUT_SECONDS": "10"}, 15, 20),
        ({"DRAIN_SECONDS": "5"}, 5, 10),
        ({"DRAIN_SECONDS": "5.2", "TURN_TIMEOUT_SECONDS": "600"}, 5.2, 11),
    ],
)
def test_answers_end_before_gunicorn_kills_and_gunicorn_before_the_machine(
    environment, drain, graceful
):
    loaded = load(KEY | environment)
    assert loaded.drain_deadline_seconds == drain
    assert loaded.graceful_timeout_seconds == graceful
    assert graceful > drain
    enough = drain + 15
    assert load(KEY | environment | {"STOP_GRACE_SECONDS": str(enough)})
    said = refusal(KEY | environment | {"STOP_GRACE_SECONDS": str(enough - 0.1)})
    assert "STOP_GRACE_SECONDS" in said
    assert "DRAIN_SECONDS" in said


# secrets


@pytest.fixture
def folder():
    """One that other users can look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_nobody():
    """root may read everything: the tests of what may not be read run as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


SECRET_VALUES = [
    ("OPENAI_API_KEY", "sk-from-a-file"),
    ("FALLBACK_API_KEY", "sk-from-a-file"),
    ("REDIS_URL", "redis://:password@redis:6379/0"),
]


@pytest.mark.parametrize(("name", "value"), SECRET_VALUES)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_secret_may_come_from_a_file_with_or_without_a_newline(name, value, ending, folder):
    path = folder / "secret"
    path.write_text(value + ending, newline="")
    loaded = load({"OPENAI_BASE_URL": "http://llm"} | {f"{name}_FILE": f" {path} "})
    assert getattr(loaded, name.lower()).get_secret_value() == value
    assert loaded.secrets == (value,)


def test_the_variable_itself_wins_over_its_file(folder):
    path = folder / "secret"
    path.write_text("sk-from-the-file")
    loaded = load({"OPENAI_API_KEY": "sk-from-the-variable", "OPENAI_API_KEY_FILE": str(path)})
    assert loaded.api_key == "sk-from-the-variable"


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777])
def test_a_secret_that_everybody_may_write_is_refused(mode, folder):
    path = folder / "secret"
    path.write_text("sk-canary")
    path.chmod(mode)
    said = refusal({"OPENAI_API_KEY_FILE": str(path)})
    assert said == f"OPENAI_API_KEY_FILE is writable by everybody: its mode is {mode:o}"


def test_dev_null_is_no_secret():
    """What compose mounts where there is none."""
    assert "OPENAI_API_KEY is not set" in refusal({"OPENAI_API_KEY_FILE": "/dev/null"})
    loaded = load({"OPENAI_BASE_URL": "http://llm", "OPENAI_API_KEY_FILE": "/dev/null"})
    assert loaded.api_key == ""
    assert loaded.secrets == ()


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_file_that_is_not_there_is_said(name, folder):
    said = refusal(KEY | {f"{name}_FILE": str(folder / "nothing")})
    assert said == f"{name}_FILE cannot be read: there is no such file"


def test_a_folder_is_no_secret(folder):
    assert refusal({"OPENAI_API_KEY_FILE": str(folder)}).startswith(
        "OPENAI_API_KEY_FILE cannot be read"
    )


def test_a_file_of_bytes_is_no_secret(folder):
    path = folder / "secret"
    path.write_bytes(b"sk-canary-\xff\xfe")
    said = refusal({"OPENAI_API_KEY_FILE": str(path)})
    assert said == "OPENAI_API_KEY_FILE cannot be read: it is not a text file"


def test_a_file_that_may_not_be_read_says_whose_it_is(folder, as_nobody):
    path = folder / "secret"
    with_own_hands(lambda: (path.write_text("sk-canary"), path.chmod(0o000)))
    said = refusal({"OPENAI_API_KEY_FILE": str(path)})
    assert said.startswith("OPENAI_API_KEY_FILE cannot be read: it belongs to uid ")
    assert "with mode 0" in said
    assert f"uid {os.getuid()}" in said
    assert "canary" not in said


def test_a_folder_that_may_not_be_entered_is_said(folder, as_nobody):
    closed = folder / "closed"
    with_own_hands(lambda: (closed.mkdir(), (closed / "secret").touch(), closed.chmod(0o000)))
    try:
        said = refusal({"OPENAI_API_KEY_FILE": str(closed / "secret")})
    finally:
        with_own_hands(lambda: closed.chmod(0o755))
    assert (
        said == f"OPENAI_API_KEY_FILE cannot be read: no access to its folder for uid {os.getuid()}"
    )


def with_own_hands(act) -> None:
    """As the user whom the tests run as."""
    other = os.geteuid()
    os.seteuid(os.getuid())
    act()
    os.seteuid(other)


def test_secrets_are_never_shown():
    secrets = {
        "OPENAI_API_KEY": "sk-canary-1",
        "FALLBACK_API_KEY": "sk-canary-2",
        "REDIS_URL": "redis://:canary-3@redis",
    }
    loaded = load(secrets)
    assert set(loaded.secrets) == set(secrets.values())
    for shown in (repr(loaded), str(loaded), repr(loaded.model_dump()), loaded.model_dump_json()):
        assert "canary" not in shown


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "FALLBACK_API_KEY"])
@pytest.mark.parametrize(
    "key", ["sk-canary\nsk-other", "sk-canary sk-other", "sk-canaré", "sk\x7fcanary"]
)
def test_a_key_that_no_header_can_carry_is_refused(name, key, folder):
    """A file of two keys, say: the second line would be a header of its own."""
    path = folder / "secret"
    path.write_text(key)
    for environment in ({name: key}, {f"{name}_FILE": str(path)}):
        said = refusal({"OPENAI_BASE_URL": "http://llm"} | environment)
        assert said == f"{name}: must be one line of ASCII characters without spaces"


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_refusal_shows_no_secret(name):
    secret = {"REDIS_URL": "redis://:sk-canary@redis"}.get(name, "sk-canary")
    assert "canary" not in refusal(KEY | {name: secret, "PORT": "x", "METRICS_PORT": "y"})


HEADERS = (
    "X-Title: chat; api-key:sk-canary-123456 ;\nHTTP-Referer: https://a.example/b?c=d; X-Odd: a: b"
)


def test_extra_headers_are_pairs_by_semicolons_or_lines(folder):
    wanted = {
        "X-Title": "chat",
        "api-key": "sk-canary-123456",
        "HTTP-Referer": "https://a.example/b?c=d",
        "X-Odd": "a: b",
    }
    path = folder / "headers"
    path.write_text(HEADERS)
    for environment in (
        {"OPENAI_EXTRA_HEADERS": HEADERS},
        {"OPENAI_EXTRA_HEADERS_FILE": str(path)},
    ):
        loaded = load(KEY | environment)
        assert loaded.extra_headers == wanted
        assert "sk-canary-123456" in loaded.secrets
        assert "chat" not in loaded.secrets
    assert load(KEY).extra_headers == {}


@pytest.mark.parametrize(
    "headers",
    [
        *("canary", "X-A: ", ": canary", "X A: canary", "X-A: canarï", "X-A: can\x7fary"),
        *("Host: canary", "content-length: 5", "Transfer-Encoding: chunked", "X-A: b; canary"),
    ],
)
def test_headers_that_no_request_can_carry_are_refused(headers):
    said = refusal(KEY | {"OPENAI_EXTRA_HEADERS": headers})
    assert said.startswith("OPENAI_EXTRA_HEADERS: ")
    assert "canar" not in said


def test_what_addresses_hold_beside_a_place_is_secret():
    loaded = load(
        {
            "OPENAI_BASE_URL": "http://user:pass%2Fword-canary@llm/v1?key=canary-query-1&v=2",
            "FALLBACK_BASE_URL": "http://other/v1?key=canary-query-2",
        }
    )
    assert set(loaded.secrets) == {
        *("pass%2Fword-canary", "pass/word-canary", "canary-query-1", "canary-query-2")
    }
