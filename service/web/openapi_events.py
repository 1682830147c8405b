"""The events of a stream in the API's description: one schema per event, discriminated by its name."""

from typing import Any

TEXT = {"type": "string"}
USAGE = {"$ref": "#/components/schemas/Usage"}
PROBLEM = {"$ref": "#/components/schemas/ProblemDetail"}
COST = {"type": ["number", "null"], "minimum": 0}
END = "`data: [DONE]` follows."
STREAM = {"$ref": "#/components/schemas/StreamEvent"}
STREAM_END = {
    "type": "object",
    "description": "After `done` or `error`, for readers of OpenAI's streams.",
    "required": ["data"],
    "properties": {"data": {"type": "string", "const": "[DONE]"}},
}
EXAMPLE = """event: start
data: {"request_id":"02708ac47c744a0684abab012c4267ee","model":"gpt-4o-mini"}

event: token
data: {"text":"Paris"}

event: done
data: {"finish_reason":"stop","model":"gpt-4o-mini","usage":{"input_tokens":14,"output_tokens":2,"source":"reported"},\
"cost_usd":0.0000033}

data: [DONE]

"""


def content() -> dict[str, Any]:
    """A stream's media type: the schema describes one event, as parsed by a reader of Server-Sent Events."""
    return {"text/event-stream": {"schema": STREAM, "examples": {"whole": {"value": EXAMPLE}}}}


def schemas() -> dict[str, Any]:
    named: dict[str, Any] = {}
    references: dict[str, str] = {}
    for name, (description, data) in _events().items():
        event, data_name = f"{name.capitalize()}Event", f"{name.capitalize()}Data"
        named |= {event: _event(name, description, data_name), data_name: data}
        references[name] = f"#/components/schemas/{event}"
    end = "#/components/schemas/StreamEnd"
    together = {
        "oneOf": [{"$ref": reference} for reference in (*references.values(), end)],
        "discriminator": {"propertyName": "event", "mapping": references},
        "description": "One event of a stream. Exactly one of `done` and `error` ends it; a body that ends without "
        "either was cut. Lines that begin with a colon are heartbeats.",
    }
    return {"StreamEvent": together, "StreamEnd": STREAM_END, **named}


def _events() -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        "start": (
            "The requested model.",
            _object({"request_id": TEXT, "model": TEXT}),
        ),
        "token": ("Text to append to the answer.", _object({"text": TEXT})),
        "thinking": (
            "The model is thinking. Not part of the answer.",
            _object({"text": TEXT}, optional=("text",)),
        ),
        "data": (
            "What the chain reports besides the text, such as its sources.",
            _object({"name": TEXT, "value": {"description": "Any JSON value."}}),
        ),
        "restart": (
            "Discard the text so far: the answer starts over.",
            _object({"reason": TEXT, "model": TEXT}),
        ),
        "done": (
            f"The answer is complete. {END}",
            _object({"finish_reason": TEXT, "model": TEXT, "usage": USAGE, "cost_usd": COST}),
        ),
        "error": (f"The answer is not complete. {END}", PROBLEM),
    }


def _event(name: str, description: str, data_name: str) -> dict[str, Any]:
    """An event as OpenAPI 3.2 describes it: its data is a string, here JSON."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{data_name}"},
    }
    return {
        "type": "object",
        "description": description,
        "required": ["event", "data"],
        "properties": {"event": {"type": "string", "const": name}, "data": data},
    }


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}
