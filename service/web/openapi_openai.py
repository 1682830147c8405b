"""The OpenAI-compatible part of the API's description: which parameters are honoured, and the errors for the others."""

from typing import Any

from service.chat.request import Limits
from service.errors import ChatError
from service.web.openai_errors import CODES
from service.web.openai_request import MOST_STOP_CHARS, MOST_STOPS

Kinds = dict[str, list[type[ChatError]]]

STREAM = """With `stream`: chunks as Server-Sent Events, then `data: [DONE]`. The last chunk before it has a
`finish_reason`, or is `data: {"error": ...}` if the answer failed; a body that ends without `[DONE]` was cut."""
UNDERSTOOD = """Other fields are ignored, except those that ask for a different kind of answer (`tools`, `logprobs`,
`audio` and the like): these are refused by name."""
TEXT = {"type": "string"}
ID_HEADERS = ("X-Request-ID", "X-User-ID", "X-Session-ID")
HEADERS = {
    "X-Hold-Answer": "`true`: a streamed answer is held back until it is complete, so that it can restart unnoticed.",
    "X-Chat-Events": "`true`: a chain's data comes as `choices[0].delta.chat_data`.",
}
# in addition to the codes that any turn may end with
MORE_CODES = {"400": ["context_length_exceeded"], "404": ["model_not_found"]}
MODEL_REFUSALS = ("401", "403", "503")


def paths(limits: Limits, kinds: Kinds) -> dict[str, Any]:
    """kinds: by status, the errors a turn may end with."""
    names = _names(limits)
    name = {"name": "name", "in": "path", "required": True, "schema": {"enum": names}}
    listed = {status: _problem(status, kinds.get(status, [])) for status in MODEL_REFUSALS}
    unknown = {"404": _problem("404", [])}
    return {
        "/v1/chat/completions": {"post": _completions(kinds)},
        "/v1/models": {
            "get": _get("models", "The models and chains that the key may use.", "Models", listed)
        },
        "/v1/models/{name}": {
            "get": _get("model", "One of them.", "Model", listed | unknown, name)
        },
    }


def _names(limits: Limits) -> list[str]:
    """What `model` may be: a chain may have a model's name."""
    return list(dict.fromkeys((*limits.models, *limits.chains)))


def schemas(limits: Limits) -> dict[str, Any]:
    names = _names(limits)
    return {
        "CompletionRequest": _request(names),
        "CompletionMessage": {"anyOf": [_message(_content(), "user", "system", "developer"), _reply()]},
        "Completion": COMPLETION,
        "Model": MODEL,
        "Models": _object(object={"const": "list"}, data=_list(_ref("Model"))),
        "OpenAIProblem": _object(error=ERROR),
    }  # fmt: skip


def _object(required: tuple[str, ...] | None = None, /, **properties: Any) -> dict[str, Any]:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "required": names, "properties": properties}


def _list(items: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _request(names: list[str]) -> dict[str, Any]:
    stop = {"type": "string", "minLength": 1, "maxLength": MOST_STOP_CHARS}
    stops = _list(stop, maxItems=MOST_STOPS)
    tokens = {"type": ["integer", "null"], "minimum": 1}
    usage = _object((), include_usage={"type": ["boolean", "null"]})
    return {
        "description": UNDERSTOOD,
        **_object(
            ("messages",),
            model={"enum": [*names, None], "description": "The name of a model or of a chain."},
            messages=_list(_ref("CompletionMessage"), minItems=1)
            | {
                "description": "The last one besides instructions must be the user's, and not blank."
            },
            temperature={"type": ["number", "null"], "minimum": 0, "maximum": 2},
            max_tokens=tokens,
            max_completion_tokens=tokens | {"description": "Goes before `max_tokens`."},
            stop={"anyOf": [stop, stops, {"type": "null"}]},
            stream={"type": ["boolean", "null"]},
            stream_options={"anyOf": [usage, {"type": "null"}]},
            user={"type": ["string", "null"], "description": "As `X-User-ID`."},
            safety_identifier={
                "type": ["string", "null"],
                "description": "Taken if there is no `user`.",
            },
            n={"enum": [1, None]},
        ),
    }


def _message(content: dict[str, Any], *roles: str) -> dict[str, Any]:
    return _object(role={"enum": list(roles)}, content=content)


def _reply() -> dict[str, Any]:
    content = {"anyOf": [*_content()["anyOf"], {"type": "null"}]}
    return _object(("role",), role={"const": "assistant"}, content=content)


def _content() -> dict[str, Any]:
    parts = [_object(type={"const": kind}, **{kind: TEXT}) for kind in ("text", "refusal")]
    return {"anyOf": [TEXT, _list({"anyOf": [TEXT, *parts]})]}


def _completions(kinds: Kinds) -> dict[str, Any]:
    answers = {
        "application/json": {"schema": _ref("Completion")},
        "text/event-stream": {"schema": {"description": STREAM}},
    }
    statuses = sorted(kinds.keys() | MORE_CODES.keys())
    return {
        "operationId": "createChatCompletion",
        "summary": "One answer, for OpenAI's clients.",
        "parameters": [_header(name) for name in (*ID_HEADERS, *HEADERS)],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("CompletionRequest")}},
        },
        "responses": {
            "200": _response("An answer.", answers),
            **{status: _problem(status, kinds.get(status, [])) for status in statuses},
        },
    }


def _header(name: str) -> dict[str, Any]:
    described = {"description": HEADERS[name]} if name in HEADERS else {}
    return {"name": name, "in": "header", "required": False, "schema": TEXT, **described}


def _get(
    operation: str,
    summary: str,
    schema: str,
    refusals: dict[str, Any],
    *parameters: dict[str, Any],
) -> dict[str, Any]:
    found = _response(summary, {"application/json": {"schema": _ref(schema)}})
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": found, **refusals},
    }


def _problem(status: str, kinds: list[type[ChatError]]) -> dict[str, Any]:
    codes = [CODES.get(kind.code, kind.code) for kind in kinds] + MORE_CODES.get(status, [])
    content = {"application/json": {"schema": _ref("OpenAIProblem")}}
    response = _response(", ".join(f"`{code}`" for code in dict.fromkeys(codes)), content)
    response["headers"]["x-should-retry"] = {"schema": {"enum": ["true", "false"]}}
    if status in ("429", "503"):
        response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return response


def _response(description: str, content: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    return {"description": description, "headers": headers, "content": content}


COUNT = {"type": "integer", "minimum": 0}
ERROR = _object(
    message=TEXT, type=TEXT, param={"type": ["string", "null"]}, code=TEXT, request_id=TEXT
)
MODEL = _object(id=TEXT, object={"const": "model"}, created=COUNT, owned_by=TEXT)
ANSWER = _object(
    ("role", "content"), role={"const": "assistant"}, content=TEXT, refusal={"type": "null"}
)
CHOICE = _object(
    ("index", "message", "finish_reason"),
    index={"const": 0},
    message=ANSWER,
    logprobs={"type": "null"},
    finish_reason={"enum": ["stop", "length", "tool_calls", "content_filter"]},
)
COMPLETION = _object(
    id=TEXT,
    object={"const": "chat.completion"},
    created=COUNT,
    model=TEXT,
    choices=_list(CHOICE, minItems=1, maxItems=1),
    usage=_object(
        prompt_tokens=COUNT,
        completion_tokens=COUNT,
        total_tokens=COUNT,
        prompt_tokens_details=_object(cached_tokens=COUNT),
    ),
)
