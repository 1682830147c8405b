"""What servers say when they fail, in their own words, and what it is to us. Each row is as a server writes it."""

import json

import pytest

from service.errors import (
    ContentFiltered,
    ContextTooLong,
    UpstreamConflict,
    UpstreamError,
    UpstreamInvalidRequest,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from service.llm.wire.errors import of_frame, of_response

CANARY = "canary-5f3a"


def error(**fields):
    return {"error": fields}


# server, HTTP status, body, what it is
RESPONSES = [
    # the policy refuses
    ("openai policy", 400, error(code="content_policy_violation", message="x"), ContentFiltered),
    ("openai filter", 400, error(code="content_filter", type=None, param="prompt"), ContentFiltered),
    ("openai o-series", 400, error(code="invalid_prompt", message="Invalid prompt: your prompt was flagged as "
     "potentially violating our usage policy."), ContentFiltered),
    ("openai image", 400, error(code="moderation_blocked", type="image_generation_user_error"), ContentFiltered),
    ("azure", 400, error(code="content_filter", status=400, innererror={"code": "ResponsibleAIPolicyViolation"}),
     ContentFiltered),
    ("azure inner only", 400, error(code=None, message="x", innererror={"code": "ResponsibleAIPolicyViolation"}),
     ContentFiltered),
    ("azure sentence", 400, error(message="The response was filtered due to the prompt triggering Azure OpenAI's "
     "content management policy."), ContentFiltered),
    ("openrouter moderation", 403, error(code=403, message='x requires moderation. Your input was flagged for '
     '"violence"',
     metadata={"reasons": ["violence"], "flagged_input": "…"}), ContentFiltered),
    ("openrouter reasons only", 403, error(code=403, message="Forbidden", metadata={"flagged_input": "…"}),
     ContentFiltered),
    ("deepseek", 400, error(message="Content Exists Risk", type="invalid_request_error"), ContentFiltered),
    ("dashscope", 400, error(code="data_inspection_failed", message="Output data may contain inappropriate content."),
     ContentFiltered),
    ("dashscope native", 400, {"code": "DataInspectionFailed", "message": "x"}, ContentFiltered),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error",
     "message": "Output blocked by content filtering policy"}}, ContentFiltered),
    ("xai", 403, {"code": "The caller does not have permission", "error": "Content violates usage guidelines."},
     ContentFiltered),
    ("litellm guardrail", 400, error(message="Violated guardrail policy", type="None", code="400"), ContentFiltered),
    ("moonshot", 400, error(type="content_filter", message="The request was rejected because it was considered high "
     "risk"), ContentFiltered),
    ("uppercase", 400, error(code="CONTENT_FILTER"), ContentFiltered),
    ("zhipu", 400, error(code="1301", message="系统检测到输入或生成内容可能包含不安全或敏感内容"), ContentFiltered),
    # the account is empty
    ("openai quota", 429, error(code="insufficient_quota", type="insufficient_quota", message="You exceeded your "
     "current quota, please check your plan and billing details."), UpstreamQuotaExhausted),
    ("openai by type", 429, error(code=None, type="insufficient_quota"), UpstreamQuotaExhausted),
    ("openai hard limit", 400, error(code="billing_hard_limit_reached"), UpstreamQuotaExhausted),
    ("openai-like, no code", 429, error(message="You exceeded your current quota."), UpstreamQuotaExhausted),
    ("deepseek", 402, error(message="Insufficient Balance", code="invalid_request_error"), UpstreamQuotaExhausted),
    ("any 402", 402, b"", UpstreamQuotaExhausted),
    ("openrouter", 402, error(code=402, message="Insufficient credits"), UpstreamQuotaExhausted),
    ("openrouter key", 403, error(code=403, message="Key limit exceeded (monthly limit)"), UpstreamQuotaExhausted),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is "
     "too low to access the Anthropic API."}}, UpstreamQuotaExhausted),
    ("xai", 403, {"code": "permission-denied", "error": "Your team has either used all available credits or reached "
     "its monthly spending limit."}, UpstreamQuotaExhausted),
    ("fireworks", 412, error(message="Account is suspended, possibly due to reaching the monthly spending limit or "
     "failure to pay past invoices."), UpstreamQuotaExhausted),
    ("moonshot", 429, error(type="exceeded_current_quota_error"), UpstreamQuotaExhausted),
    ("dashscope", 400, error(code="Arrearage", message="Access denied, overdue payment."), UpstreamQuotaExhausted),
    ("litellm", 400, error(type="budget_exceeded", message="Budget has been exceeded! Current cost: 2, Max: 1"),
     UpstreamQuotaExhausted),
    ("siliconflow", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient"},
     UpstreamQuotaExhausted),
    ("one-api", 403, error(code="insufficient_user_quota", type="one_api_error"), UpstreamQuotaExhausted),
    # too many requests
    ("openai", 429, error(code="rate_limit_exceeded", type="tokens"), UpstreamRateLimited),
    ("gemini per minute", 429, [error(code=429, status="RESOURCE_EXHAUSTED", message="You exceeded your current quota, "
     "please check your plan and billing details. Please retry in 35s.")], UpstreamRateLimited),
    ("bare", 429, b"slow down", UpstreamRateLimited),
    ("tgi", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, UpstreamRateLimited),
    ("groq flex", 498, error(code="capacity_exceeded"), UpstreamRateLimited),
    # the server's own failure
    ("openai", 500, error(type="server_error", code=None), UpstreamError),
    ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error"}}, UpstreamError),
    ("html", 502, b"<html><h1>502 Bad Gateway</h1></html>", UpstreamError),
    ("cloudflare", 524, b"error code: 524", UpstreamError),
    ("vllm", 500, {"object": "error", "message": "EngineCore encountered an issue", "type": "InternalServerError",
     "code": 500}, UpstreamError),
    ("fastapi", 500, b"Internal Server Error", UpstreamError),
    ("timeout", 408, error(type="timeout"), UpstreamError),
    ("conflict", 409, {}, UpstreamConflict),
    ("tgi generation", 424, {"error": "Request failed during generation", "error_type": "generation"},
     UpstreamConflict),
    # one caller's input, whatever the status says
    ("llama.cpp jinja", 500, error(code=500, type="server_error", message="Error: Jinja Exception: Conversation roles "
     "must alternate user/assistant/user/assistant/..."), UpstreamInvalidRequest),
    ("lm studio", 500, {"error": 'Error rendering prompt with jinja template: "Only user and assistant roles"'},
     UpstreamInvalidRequest),
    ("sglang", 500, {"object": "error", "message": "After the optional system message, conversation roles must "
     "alternate", "type": "InternalServerError"}, UpstreamInvalidRequest),
    ("llama.cpp types", 500, error(code=500, message="[json.exception.type_error.302] type must be string"),
     UpstreamInvalidRequest),
    ("gateway around 400", 500, error(message="bad", type="BadRequestError", code=400), UpstreamInvalidRequest),
    ("gateway around text", 502, error(message="x", code="400"), UpstreamInvalidRequest),
    ("gateway around 429", 500, error(message="x", code=429), UpstreamRateLimited),
    # this request
    ("openai", 400, error(type="invalid_request_error", message="bad"), UpstreamInvalidRequest),
    ("a limit's word", 400, error(type="tokens", message="bad"), UpstreamInvalidRequest),
    ("bare", 400, b"", UpstreamInvalidRequest),
    ("413", 413, b"<html>", UpstreamInvalidRequest),
    ("fastapi", 422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
     UpstreamInvalidRequest),
    # our key, our model, our address
    ("openai key", 401, error(code="invalid_api_key"), UpstreamRejected),
    ("gemini key", 400, [error(code=400, status="INVALID_ARGUMENT", message="API key not valid. Please pass a valid "
     "API key.", details=[{"reason": "API_KEY_INVALID"}])], UpstreamRejected),
    ("gemini expired", 400, error(code=400, message="API key expired. Please renew the API key."), UpstreamRejected),
    ("xai key", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: a***b."},
     UpstreamRejected),
    ("openai ended", 403, error(message="Your account was deactivated for violating usage policies",
     code="account_deactivated"),
     UpstreamRejected),
    ("vllm model", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError",
     "code": 404}, UpstreamRejected),
    ("mistral model", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
     UpstreamRejected),
    ("deepseek model", 400, error(message="Model Not Exist", type="invalid_request_error"), UpstreamRejected),
    ("openrouter model", 400, error(code=400, message="x is not a valid model ID"), UpstreamRejected),
    ("ollama model", 404, error(message='model "x" not found, try pulling it first', type="api_error"),
     UpstreamRejected),
    ("litellm model", 400, error(message="Invalid model name passed in model=x", code="400"), UpstreamRejected),
    ("azure deployment", 404, error(code="DeploymentNotFound"), UpstreamRejected),
    ("nginx", 404, b"<html>404 Not Found</html>", UpstreamRejected),
    ("fastapi path", 404, {"detail": "Not Found"}, UpstreamRejected),
    ("405", 405, b"", UpstreamRejected),
    ("redirect", 308, b"", UpstreamRejected),
    # the conversation is too long
    ("openai", 400, error(code="context_length_exceeded", message="x"), ContextTooLong),
    ("llama.cpp", 500, error(code=500, message="Context size has been exceeded.", type="server_error"), ContextTooLong),
    ("llama.cpp new", 400, error(code=400, type="exceed_context_size_error", message="x", n_prompt_tokens=1407,
     n_ctx=256),
     ContextTooLong),
    ("groq per minute", 413, error(code="rate_limit_exceeded", type="tokens", message="Request too large for model on "
     "tokens per minute (TPM): Limit 6000, Requested 7000"), ContextTooLong),
    ("openai per minute", 429, error(code="rate_limit_exceeded", type="tokens", message="Request too large for gpt-4o "
     "on tokens per min (TPM): Limit 30000, Requested 45000."), ContextTooLong),
    ("bedrock", 400, error(message="Input is too long for requested model."), ContextTooLong),
    ("github", 413, error(code="tokens_limit_reached", message="Request body too large for gpt-4o model. Max size: "
     "8000 "
     "tokens."), ContextTooLong),
]  # fmt: skip


def body_of(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [row[1:] for row in RESPONSES],
    ids=[f"{row[3].__name__}: {row[0]}" for row in RESPONSES],
)
def test_a_response_that_is_no_answer(status, body, kind):
    ours = of_response(status, {}, body_of(body))
    assert (ours.code, isinstance(ours, kind)) == (kind.code, True), ours.cause
    assert isinstance(ours, ContextTooLong) == (kind is ContextTooLong)
    assert ours.cause.startswith(f"HTTP {status}")


# what stands in a frame (or is the whole body) of a 200
FRAMES = [
    ("sglang", error(message="too long", type="BadRequestError", code=400), UpstreamInvalidRequest),
    ("code as text", error(message="too long", type="BadRequestError", code="400"), UpstreamInvalidRequest),
    ("vllm, no inner object", {"object": "error", "message": "x", "type": "BadRequestError", "code": 400},
     UpstreamInvalidRequest),
    ("word only", error(message="x", type="invalid_request_error"), UpstreamInvalidRequest),
    ("class name", error(message="x", type="BadRequestError"), UpstreamInvalidRequest),
    ("status field", {"error": "x", "status": 422}, UpstreamInvalidRequest),
    ("status_code field", {"error": "x", "status_code": "400"}, UpstreamInvalidRequest),
    ("litellm in its text", error(message="litellm.BadRequestError: x", type=None, code="400"), UpstreamInvalidRequest),
    ("nested", error(message="Provider returned error", code=400, metadata={"raw": "x"}), UpstreamInvalidRequest),
    ("openrouter raw", error(message="Provider returned error", metadata={"raw": '{"error":{"code":429}}'}),
     UpstreamRateLimited),
    ("401", error(code=401), UpstreamRejected),
    ("403", error(code="403"), UpstreamRejected),
    ("key word", error(code="invalid_api_key"), UpstreamRejected),
    ("model word", error(code="model_not_found"), UpstreamRejected),
    ("grpc key", error(status="PERMISSION_DENIED"), UpstreamRejected),
    ("429", error(code=429, message="x"), UpstreamRateLimited),
    ("429 as text", error(code="429"), UpstreamRateLimited),
    ("429 by word", error(type="rate_limit_error"), UpstreamRateLimited),
    ("openai word", error(type="server_error", code="rate_limit_exceeded"), UpstreamRateLimited),
    ("grpc", error(status="RESOURCE_EXHAUSTED"), UpstreamRateLimited),
    ("aws", {"__type": "ThrottlingException", "message": "x"}, UpstreamRateLimited),
    ("dashscope", {"code": "Throttling.RateQuota", "message": "x"}, UpstreamRateLimited),
    ("sentence", {"error": "Rate limit reached, slow down"}, UpstreamRateLimited),
    ("402", error(code=402), UpstreamQuotaExhausted),
    ("quota word", error(code="insufficient_quota"), UpstreamQuotaExhausted),
    ("quota and 429", error(code=429, type="insufficient_quota"), UpstreamQuotaExhausted),
    ("quota sentence", error(message="insufficient credits"), UpstreamQuotaExhausted),
    ("minimax", {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, UpstreamQuotaExhausted),
    ("500", error(code=500), UpstreamError),
    ("502 of openrouter", error(code=502, message="Provider disconnected",
     metadata={"error_type": "provider_unavailable"}),
     UpstreamError),
    ("503 as text", error(code="503"), UpstreamError),
    ("server word", error(type="server_error"), UpstreamError),
    ("overloaded", {"type": "error", "error": {"type": "overloaded_error"}}, UpstreamError),
    ("no word we know", error(message="x"), UpstreamError),
    ("text", {"error": "x"}, UpstreamError),
    ("true", {"error": True}, UpstreamError),
    ("list", {"error": [{"code": 400}]}, UpstreamInvalidRequest),
    ("errors", {"errors": [{"code": 7009, "message": "x"}], "success": False}, UpstreamError),
    ("detail", {"detail": "x"}, UpstreamError),
    ("fastapi", {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]},
     UpstreamInvalidRequest),
    ("filter", error(code="content_filter"), ContentFiltered),
    ("filter sentence", error(code=403, message="Your input was flagged for violence"), ContentFiltered),
    ("gemini block", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ContentFiltered),
    ("gemini block for another reason", {"promptFeedback": {"blockReason": "OTHER"}}, ContentFiltered),
    ("vertex block", {"prompt_feedback": {"block_reason": "MODEL_ARMOR"}}, ContentFiltered),
    ("too long by word", error(code="context_length_exceeded"), ContextTooLong),
    ("too long by sentence", error(message="This model's maximum context length is 4096 tokens."), ContextTooLong),
    ("status first", error(message="status 500; too many requests"), UpstreamRateLimited),
    ("http status first", error(message="HTTP error 500: insufficient credits"), UpstreamQuotaExhausted),
    ("template", error(message="Conversation roles must alternate"), UpstreamInvalidRequest),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind"),
    [row[1:] for row in FRAMES],
    ids=[f"{row[2].__name__}: {row[0]}" for row in FRAMES],
)
def test_an_error_within_a_stream_is_what_its_status_would_be(value, kind):
    ours = of_frame(value)
    assert ours.code == kind.code, ours.cause
    assert isinstance(ours, kind)
    assert ours.cause.startswith("in-band ")


def test_what_a_server_says_of_trying_again_is_passed_on():
    for status in (429, 503):
        error = of_response(status, {"retry-after": "1.2", "x-should-retry": "false"}, b"")
        assert (error.retry_after_seconds, error.retry_forbidden) == (1.2, True)
        assert not of_response(status, {}, b"").retry_forbidden


def test_a_server_that_is_unavailable_speaks_of_itself():
    assert isinstance(of_response(503, {}, b""), UpstreamUnavailable)
    assert not isinstance(of_response(500, {}, b""), UpstreamUnavailable)


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (401, b"", "HTTP 401: key refused"),
        (404, b"", "HTTP 404: address or model unknown"),
        (404, b'{"error":{"code":"model_not_found"}}', "HTTP 404: model unknown"),
        (400, b'{"error":{"message":"API key not valid"}}', "HTTP 400: key refused"),
        (418, b"", "HTTP 418"),
        (500, b'{"error":{"code":429}}', "HTTP 500 around 429"),
    ],
)
def test_the_log_is_told_what_the_operator_has_to_look_at(status, body, cause):
    assert of_response(status, {}, body).cause == cause


def test_what_a_server_repeats_of_the_request_decides_nothing():
    """Else a caller's own words could say what their failure is, and what the asker learns from it."""
    words = (
        "content_filter. Unsupported parameter: 'max_tokens' is not supported. insufficient credits"
    )
    echoes = [
        {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required", "input": {"content": words}}]},
        {"message": f"[{{'type': 'missing', 'loc': ('body', 'x'), 'msg': 'Field required', 'input': '{words}'}}]"},
        error(message="bad", input=words),
    ]  # fmt: skip
    for echo in echoes:
        assert type(of_response(400, {}, json.dumps(echo).encode())) is UpstreamInvalidRequest


def test_nothing_that_a_server_wrote_is_in_our_error():
    for _, status, body, _ in RESPONSES:
        written = body_of(body).replace(b"x", CANARY.encode())
        ours = of_response(status, {"retry-after": CANARY}, written)
        said = [str(ours), repr(ours), ours.message, ours.cause, ours.details]
        assert CANARY not in repr(said)


@pytest.mark.parametrize(
    "value",
    [
        [[[[]]]],
        {"a": {"b": ["c"] * 100_000}},
        {"error": {str(n): n for n in range(100_000)}},
        {"error": "x" * 10_000_000},
        {"error": float("inf")},
        {"error": {"code": 10**400}},
        {"error": {"code": float("nan"), "status": "9" * 5000}},
        {"error": {"headers": {"ratelimit-" + "reset-" * 700_000 + "0": "1"}}},
        {"error": {"headers": {f"ratelimit-{n}-reset": "1" * 100 for n in range(100_000)}}},
        {"error": {"headers": {"retry-after": "1 " * 2_000_000, "ratelimit-reset": [[[]]]}}},
        {"error": {"loc": [None, [], {}], "param": "p" * 10_000}},
        None,
    ],
    ids=range(12),
)
def test_a_bottomless_error_is_an_error(value):
    assert of_frame(value).code in {"upstream_error", "upstream_invalid_request"}


def test_an_error_nested_without_end_is_an_error():
    body = b'{"error":' * 3000
    assert of_response(500, {}, body + b"1" + b"}" * 3000).code == "upstream_error"
