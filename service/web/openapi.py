"""The API's description, built from the request model, the error tree and the limits in force."""

from typing import Any

from service import __version__, errors
from service.chat.request import MOST_TOKENS, ChatRequest, Limits
from service.web import openapi_events, openapi_openai

# one example per code
TURN_ERRORS = {
    kind.code: kind
    for kind in errors.kinds(errors.ChatError)
    if hasattr(kind, "code") and kind not in errors.NO_TURN
}
USAGE_ERRORS = ("401", "403", "503")
ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}
QUESTIONS = {
    "question": {"value": {"question": "What is the capital of France?"}},
    "conversation": {
        "value": {
            "question": "And of Italy?",
            "history": [
                {"role": "user", "content": "What is the capital of France?"},
                {"role": "assistant", "content": "Paris."},
            ],
        }
    },
}
ANSWERS = {
    "answer": {
        "value": {
            "answer": "Paris.",
            "model": "gpt-4o-mini",
            "finish_reason": "stop",
            "usage": {"input_tokens": 14, "output_tokens": 2, "source": "reported"},
            "cost_usd": 0.0000033,
            "request_id": "02708ac47c744a0684abab012c4267ee",
        }
    }
}


def describe(limits: Limits, max_body_bytes: int) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Chat service", "version": __version__},
        "servers": [{"url": "/", "description": "The service this description came from."}],
        "paths": {
            "/chat": {"post": _turn("chat", "One answer, whole.", _json("Answer", ANSWERS))},
            "/chat/stream": {
                "post": _turn(
                    "chatStream",
                    "One answer as it is generated, as Server-Sent Events.",
                    openapi_events.content(),
                )
            },
            **openapi_openai.paths(limits, _by_status()),
            "/usage": {"get": _usage()},
            "/health": {"get": _probe("health", "The process is alive.")},
            "/ready": {"get": _probe("ready", "May take traffic.", "503")},
            "/openapi.json": {"get": _probe("openapi", "This description.")},
            "/": {"get": _page()},
        },
        "components": {
            "schemas": {
                **_schemas(limits, max_body_bytes),
                **openapi_events.schemas(),
                **openapi_openai.schemas(limits),
            },
            "headers": _headers(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        # whether a key is required depends on the deployment
        "security": [{}, {"key": []}],
    }


def _turn(operation: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [
            _id_parameter(name) for name in ("X-Request-ID", "X-User-ID", "X-Session-ID")
        ],
        "requestBody": {"required": True, "content": _json("ChatRequest", QUESTIONS)},
        "responses": {
            "200": _response("An answer.", content),
            **{status: _problem(kinds) for status, kinds in _by_status().items()},
        },
    }


def _by_status() -> dict[str, list[type[errors.ChatError]]]:
    found: dict[str, list[type[errors.ChatError]]] = {}
    for kind in TURN_ERRORS.values():
        found.setdefault(str(kind.status), []).append(kind)
    return found


def _problem(kinds: list[type[errors.ChatError]]) -> dict[str, Any]:
    codes = ", ".join(f"`{kind.code}`" for kind in kinds)
    examples: dict[str, Any] = {kind.code: {"value": _refusal(kind)} for kind in kinds}
    response = _response(codes, _json("Problem", examples))
    if kinds[0].status in (429, 503):
        response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return response


def _refusal(kind: type[errors.ChatError]) -> dict[str, Any]:
    return {
        "error": {
            "code": kind.code,
            "message": kind.message,
            "request_id": "02708ac47c744a0684abab012c4267ee",
            "retryable": kind.retryable,
        }
    }


def _usage() -> dict[str, Any]:
    statuses = {
        status: _problem(kinds) for status, kinds in _by_status().items() if status in USAGE_ERRORS
    }
    whole = {"application/json": {"schema": {"type": "object", "required": ["key", "limits"]}}}
    return {
        "operationId": "usage",
        "summary": "What the caller's API key may use, and has used.",
        "parameters": [_id_parameter(name) for name in ("X-Request-ID", "X-User-ID")],
        "responses": {
            "200": _response("Limits, what is left of them, and spending.", whole),
            **statuses,
        },
    }


def _probe(operation: str, summary: str, *more: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    statuses = ("200", *more)
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {status: _response(summary, content) for status in statuses},
    }


def _page() -> dict[str, Any]:
    return {
        "operationId": "page",
        "summary": "The chat page.",
        "responses": {
            "200": _response("The page.", {"text/html": {"schema": {"type": "string"}}}),
            "304": _response("Not modified.", {}),
        },
    }


def _response(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
        **({"content": content} if content else {}),
    }


def _json(schema: str, examples: dict[str, Any] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"application/json": described | ({"examples": examples} if examples else {})}


def _id_parameter(name: str) -> dict[str, Any]:
    # any value is accepted; an invalid one is replaced (request) or ignored (user, session)
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _headers() -> dict[str, Any]:
    return {
        "RequestId": {"schema": ID, "description": "Names this request in every log."},
        "RetryAfter": {
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
            "description": "Seconds.",
        },
    }


def _schemas(limits: Limits, max_body_bytes: int) -> dict[str, Any]:
    request = ChatRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    message = request.pop("$defs")["Message"]
    fields = request["properties"]
    fields["question"] |= {"minLength": 1, "maxLength": limits.max_question_chars}
    # the schema language has no limits for a whole request, and for all items together
    request["x-max-bytes"] = max_body_bytes
    fields["history"] |= {
        "type": ["array", "null"],
        "maxItems": limits.max_history_messages,
        "x-max-total-chars": limits.max_history_chars,
    }
    fields["system"] = {"type": ["string", "null"], "maxLength": limits.max_system_chars}
    fields["model"] = {"enum": [*limits.models, None]}
    fields["chain"] = {"enum": [*limits.chains, None]}
    most = limits.max_output_tokens or MOST_TOKENS
    fields["max_tokens"] = {"type": ["integer", "null"], "minimum": 1, "maximum": most}
    if not limits.allow_system:
        fields["system"] = {"type": ["string", "null"], "maxLength": 0}
    return {
        "ChatRequest": request,
        "Message": message,
        "Answer": ANSWER,
        "Usage": USAGE,
        "Problem": PROBLEM,
        "ProblemDetail": PROBLEM_DETAIL,
    }


USAGE = {
    "type": "object",
    "required": ["input_tokens", "output_tokens", "source"],
    "additionalProperties": False,
    "properties": {
        "input_tokens": {"type": "integer", "minimum": 0},
        "output_tokens": {"type": "integer", "minimum": 0},
        "cached_input_tokens": {"type": "integer", "minimum": 0},
        "source": {"enum": ["reported", "estimated"]},
    },
}
ANSWER = {
    "type": "object",
    "required": ["answer", "model", "finish_reason", "usage", "cost_usd", "request_id"],
    "additionalProperties": False,
    "properties": {
        "answer": {"type": "string"},
        "model": {"type": "string"},
        "finish_reason": {"type": "string"},
        "usage": {"$ref": "#/components/schemas/Usage"},
        "cost_usd": {"type": ["number", "null"]},
        "data": {
            "type": "object",
            "description": "What the chain reported besides the text, by name.",
            "additionalProperties": True,
        },
        "request_id": ID,
    },
}
PROBLEM_DETAIL = {
    "type": "object",
    "required": ["code", "message", "request_id", "retryable"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "request_id": ID,
        "retryable": {"type": "boolean"},
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
PROBLEM = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {"error": {"$ref": "#/components/schemas/ProblemDetail"}},
}
