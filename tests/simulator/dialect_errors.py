"""Errors in each dialect's words (`sim-gemini:error=key`): HTTP status and body; 200: a frame within a stream."""

from collections.abc import Mapping

ERRORS = ("key", "model", "quota", "limit", "context", "filter", "failed")


def _openai(message: str, kind: str = "invalid_request_error", code: object = None) -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _google(code: int, status: str, message: str) -> object:
    return [{"error": {"code": code, "message": message, "status": status}}]


def _plain(message: str, code: object) -> object:
    return {"error": {"message": message, "code": code}}


def _mistral(message: str, kind: str, code: str | None = None) -> object:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def _vllm(message: str, kind: str, code: int) -> object:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


# ruff: noqa: E501 - sentences of servers
# fmt: off
_OPENAI: dict[str, tuple[int, object]] = {
    "key": (401, _openai("Incorrect API key provided.", code="invalid_api_key")),
    "model": (404, _openai("The model `x` does not exist or you do not have access to it.", code="model_not_found")),
    "quota": (429, _openai("You exceeded your current quota, please check your plan and billing details.",
                           "insufficient_quota", "insufficient_quota")),
    "limit": (429, _openai("Rate limit reached for x on requests per min (RPM): Limit 3, Used 3, Requested 1.", "requests",
                           "rate_limit_exceeded")),
    "context": (400, _openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 "
                             "tokens.", code="context_length_exceeded")),
    "filter": (400, _openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
                            code="invalid_prompt")),
    "failed": (500, _openai("The server had an error while processing your request.", "server_error")),
}
DIALECT_ERRORS: Mapping[str, Mapping[str, tuple[int, object]]] = {
    "openai": _OPENAI,
    "gpt-5": _OPENAI,
    "azure": {
        "key": (401, _plain("Access denied due to invalid subscription key or wrong API endpoint.", "401")),
        "model": (404, _plain("The API deployment for this resource does not exist.", "DeploymentNotFound")),
        "quota": _OPENAI["quota"],
        "limit": (429, _plain("Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token "
                              "rate limit of your current OpenAI S0 pricing tier.", "429")),
        "context": _OPENAI["context"],
        "filter": (400, {"error": {"message": "The response was filtered.", "code": None, "status": 400,
                                   "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        "failed": (500, _plain("The server had an error while processing your request.", "InternalServerError")),
    },
    "gemini": {
        "key": (400, _google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
        "model": (404, _google(404, "NOT_FOUND", "models/x is not found for API version v1main.")),
        "quota": (429, _google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.")),
        "limit": (429, _google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")),
        "context": (400, _google(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of "
                                 "tokens allowed (1048575).")),
        "filter": (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        "failed": (503, _google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    },
    "deepseek": {
        "key": (401, _openai("Authentication Fails (no such user)", "authentication_error", "invalid_request_error")),
        "model": (400, _openai("Model Not Exist", code="invalid_request_error")),
        "quota": (402, _openai("Insufficient Balance", "unknown_error", "invalid_request_error")),
        "limit": (429, _openai("Rate limit reached", "rate_limit_error")),
        "context": (400, _openai("This model's maximum context length is 131072 tokens. However, you requested 140000 "
                                 "tokens (139000 in the messages, 1000 in the completion).")),
        "filter": (400, _openai("Content Exists Risk", code="invalid_request_error")),
        "failed": (503, _openai("Service is too busy.", "service_unavailable_error")),
    },
    "mistral": {
        "key": (401, {"detail": "Unauthorized"}),
        "model": (400, _mistral("Invalid model: x", "invalid_model", "1500")),
        "quota": (402, {"detail": "You have no active subscription"}),
        "limit": (429, _mistral("Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505")),
        "context": (400, _mistral("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
                                  "context length", "invalid_request_prompt", "3051")),
        "filter": (403, _mistral("The request was blocked by the moderation policy", "moderation_error")),
        "failed": (500, _mistral("Service unavailable.", "internal_server_error", "1000")),
    },
    "groq": {
        "key": (401, _openai("Invalid API Key", code="invalid_api_key")),
        "model": (400, _openai("The model `x` has been decommissioned and is no longer supported.",
                               code="model_decommissioned")),
        "quota": (429, _openai("Your account is not active, please check your billing details.", "billing_not_active")),
        "limit": (429, _openai("Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 5800.",
                               "tokens", "rate_limit_exceeded")),
        "context": (413, _openai("Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 7000",
                                 "tokens", "rate_limit_exceeded")),
        "filter": (400, _openai("The prompt was flagged as unsafe content", code="content_policy_violation")),
        "failed": (200, {"error": {"message": "over capacity", "type": "internal_server_error", "status_code": 503}}),
    },
    "openrouter": {
        "key": (401, _plain("No auth credentials found", 401)),
        "model": (400, _plain("x is not a valid model ID", 400)),
        "quota": (402, _plain("Insufficient credits.", 402)),
        "limit": (200, _plain("Provider returned error", 429)),
        "context": (400, _plain("This endpoint's maximum context length is 131072 tokens. However, you requested about "
                                "140000 tokens (139000 of text input, 1000 in the output).", 400)),
        "filter": (403, _plain('x requires moderation. Your input was flagged for "violence".', 403)),
        "failed": (200, _plain("Provider disconnected unexpectedly", 502)),
    },
    "ollama": {
        "key": (401, {"error": "unauthorized"}),
        "model": (404, _openai("model 'x' not found", "not_found_error")),
        "quota": (402, {"error": "payment required"}),
        "limit": (429, {"error": "too many concurrent requests"}),
        "context": (400, _openai("input length exceeds maximum context length")),
        "filter": (400, {"error": "content policy violation"}),
        "failed": (500, _openai("llama runner process has terminated: exit status 2", "api_error")),
    },
    "vllm": {
        "key": (401, {"error": "Unauthorized"}),
        "model": (404, _vllm("The model `x` does not exist.", "NotFoundError", 404)),
        "quota": (402, {"error": "payment required"}),
        "limit": (200, _vllm("Too many requests", "TooManyRequestsError", 429)),
        "context": (200, _vllm("This model's maximum context length is 4096 tokens. However, your request has 5000 input "
                               "tokens.", "BadRequestError", 400)),
        "filter": (400, _vllm("blocked by the content filter", "BadRequestError", 400)),
        "failed": (500, _vllm("EngineCore encountered an issue.", "InternalServerError", 500)),
    },
}
# fmt: on
