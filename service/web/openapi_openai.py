"""The part of the API's description that is OpenAI's: what is honoured of it."""

from typing import Any

ROLES = ["system", "developer", "user", "assistant"]
STREAM = "With `stream`: chunks of OpenAI's shape as Server-Sent Events, at the end `data: [DONE]`."


def paths() -> dict[str, Any]:
    return {
        "/v1/chat/completions": {"post": _completions()},
        "/v1/models": {"get": _get("models", "The configured models and the chains.", ())},
        "/v1/models/{name}": {"get": _get("model", "One of them.", ("404",), _name())},
    }


def schemas() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "CompletionRequest": {
            "type": "object",
            "required": ["messages"],
            "properties": {
                "model": {"type": ["string", "null"], "description": "A model, or a chain."},
                "messages": {"type": "array", "minItems": 1, "items": _message()},
                "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
                "max_tokens": {"type": ["integer", "null"], "minimum": 1},
                "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
                "stop": {"anyOf": [text, {"type": "array", "items": text}, {"type": "null"}]},
                "stream": {"type": ["boolean", "null"]},
                "stream_options": {"type": ["object", "null"]},
                "user": {"type": ["string", "null"]},
            },
        },
        "OpenAIProblem": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["message", "type", "param", "code"],
                    "properties": {
                        "message": text,
                        "type": text,
                        "param": {"type": ["string", "null"]},
                        "code": text,
                    },
                }
            },
        },
    }


def _message() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["role"],
        "properties": {
            "role": {"enum": ROLES},
            "content": {"description": "A text, or text parts."},
        },
    }


def _completions() -> dict[str, Any]:
    request = {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}
    answers = {
        "application/json": {"schema": {"type": "object"}},
        "text/event-stream": {"schema": {"description": STREAM}},
    }
    refusals = ("400", "404", "413", "415", "422", "429", "500", "502", "503", "504")
    return {
        "operationId": "createChatCompletion",
        "summary": "One answer, for OpenAI's clients.",
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {
            "200": {"description": "An answer.", "content": answers},
            **{status: _problem() for status in refusals},
        },
    }


def _get(
    operation: str, summary: str, refusals: tuple[str, ...], *parameters: dict[str, Any]
) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": summary, "content": content},
            **{status: _problem() for status in refusals},
        },
    }


def _name() -> dict[str, Any]:
    return {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def _problem() -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/OpenAIProblem"}}
    return {"description": "A refusal.", "content": {"application/json": schema}}
