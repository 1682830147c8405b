"""The service keeps its own description: schemathesis asks what that allows and what it does not."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from service.chat.request import MOST_TOKENS, Limits
from service.web.openapi import TURN_ERRORS, describe
from tests.support.contract import PROMISES
from tests.support.simulator import directive
from tests.support.sse import Stream

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# a text over its limit is 413; what may be refused besides is schemathesis' own list
CONFIGURATION = """
[checks]
negative_data_rejection.expected-statuses = ["400", "404", "405", "413", "415"]

[[operations]]
include-operation-id = "createChatCompletion"
# that the last message is the user's, and says something, is no matter of a schema
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "413"]
warnings = false
"""


@pytest.fixture
def schemathesis(service, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)

    def run(*options):
        command = [SCHEMATHESIS, "run", f"{service.url}/openapi.json", "--no-color"]
        command += ["--generation-deterministic", "--output-sanitize", "false", *options]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )

    return run


@pytest.mark.slow
def test_no_answer_is_outside_the_description(schemathesis, service):
    """Statuses, types, headers and bodies as described; what the schema forbids is refused, the rest accepted."""
    checks = ("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "20")
    done = schemathesis(*checks, "--continue-on-failure")
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout
    assert not [event for event in service.events() if event["event"] == "bug"]


@pytest.fixture(scope="module")
def description(service):
    status, headers, body = service.get("/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(body)


EVENT = {"$ref": "#/components/schemas/StreamEvent"}


def test_every_address_is_described(description):
    assert description["openapi"].startswith("3.1")
    assert description["paths"].keys() == {
        *("/", "/chat", "/chat/stream", "/health", "/ready", "/openapi.json", "/usage"),
        *("/v1/chat/completions", "/v1/models", "/v1/models/{name}"),
    }


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
def test_every_error_of_a_turn_is_described_with_its_status(description, path):
    responses = description["paths"][path]["post"]["responses"]
    codes = {code for code, promise in PROMISES.items() if promise.ending}
    assert codes == TURN_ERRORS.keys()
    for code in codes:
        response = responses[str(PROMISES[code].status)]
        assert f"`{code}`" in response["description"]
        assert ("Retry-After" in response["headers"]) == (PROMISES[code].status in (429, 503))


def test_the_limits_in_force_are_described(description):
    request = description["components"]["schemas"]["ChatRequest"]
    fields = request["properties"]
    assert request["x-max-bytes"] == 262_144
    assert (fields["question"]["maxLength"], fields["system"]["maxLength"]) == (32_000, 8000)
    assert fields["history"]["maxItems"] == 100
    assert fields["history"]["x-max-total-chars"] == 100_000
    assert fields["max_tokens"]["maximum"] == 4096
    assert fields["model"]["enum"] == ["sim", None]
    assert fields["chain"]["enum"] == ["chat", None]


def test_a_bound_is_described_even_where_the_operator_sets_none():
    limits = Limits(("sim",), ("chat",), True, 1, 1, 1, 1, None)  # noqa: FBT003
    schema = describe(limits, 1)["components"]["schemas"]["ChatRequest"]["properties"]["max_tokens"]
    assert schema == {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_TOKENS}


def valid(value, schema, description):
    """Whether JSON Schema says so; references lead into the description."""
    whole = {"components": description["components"], **schema}
    return jsonschema_rs.validator_for(whole).is_valid(value)


@pytest.mark.parametrize(
    "question",
    [
        "hi",
        directive(fault="cut", after=3),
        directive(think=0.3),
        directive(times=1, fault="cut", after=3),
    ],
)
def test_every_event_of_a_stream_is_one_of_those_described(description, service, question):
    with Stream("127.0.0.1", service.port, {"question": question}) as stream:
        events = list(stream.events())
    schemas = description["components"]["schemas"]
    assert events[-1].data == schemas["StreamEnd"]["properties"]["data"]["const"]
    for event in events[:-1]:
        assert valid({"event": event.name, "data": event.data}, EVENT, description), event
        assert valid(event.json(), data_of(schemas, event.name), description), event
    assert not valid({"event": "words", "data": "{}"}, EVENT, description)
    assert not valid({"words": ""}, data_of(schemas, "token"), description)
    assert not valid({"text": ""}, data_of(schemas, "done"), description)


def data_of(schemas, name):
    """What the text of an event's data holds."""
    reference = schemas["StreamEvent"]["discriminator"]["mapping"][name]
    return schemas[reference.rpartition("/")[2]]["properties"]["data"]["contentSchema"]


def test_the_discriminator_names_each_event_once(description):
    schemas = description["components"]["schemas"]
    mapping = schemas["StreamEvent"]["discriminator"]["mapping"]
    end = "#/components/schemas/StreamEnd"
    assert [*mapping.values(), end] == [each["$ref"] for each in schemas["StreamEvent"]["oneOf"]]
    for name, reference in mapping.items():
        event = schemas[reference.rpartition("/")[2]]
        assert event["properties"]["event"]["const"] == name


def test_every_example_is_what_its_schema_allows(description):
    def media(node):
        if isinstance(node, dict):
            yield from (
                node.get("content", {}).items() if isinstance(node.get("content"), dict) else ()
            )
            for child in node.values():
                yield from media(child)

    checked = 0
    for kind, described in media(description["paths"]):
        for name, example in (
            described.get("examples", {}).items() if kind == "application/json" else ()
        ):
            assert valid(example["value"], described["schema"], description), name
            checked += 1
    assert checked > len(TURN_ERRORS)


def test_references_lead_somewhere(description):
    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            node = list(node.values())
        if isinstance(node, list):
            for item in node:
                yield from references(item)

    found = set(references(description))
    assert found
    for reference in found:
        target = description
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
