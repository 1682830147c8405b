"""The bodies of OpenAI's errors."""

from collections.abc import Mapping

_BY_STATUS: Mapping[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid request: one of the parameters is not valid."),
    401: (
        "invalid_request_error",
        "invalid_api_key",
        (
            "Incorrect API key provided: {key}. You can find your API key at"
            " https://platform.openai.com/account/api-keys."
        ),
    ),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    408: ("timeout", None, "Request timed out."),
    409: ("conflict_error", None, "The request conflicts with another one, please try again."),
    429: (
        "requests",
        "rate_limit_exceeded",
        (
            "Rate limit reached for {model} in organization org-simulator on requests per min"
            " (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
        ),
    ),
    500: (
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    502: ("server_error", None, "Bad gateway."),
    503: (
        "server_error",
        None,
        "The engine is currently overloaded, please try again later",
    ),
}


def error_body(
    message: str, *, error_type: str, code: str | None = None, param: str | None = None
) -> dict[str, object]:
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}


def status_body(status: int, *, model: str, key: str) -> dict[str, object]:
    fallback = _BY_STATUS[400 if status < 500 else 500]
    error_type, code, message = _BY_STATUS.get(status, fallback)
    return error_body(
        message.format(model=model, key=mask(key)),
        error_type=error_type,
        code=code,
    )


def mask(key: str) -> str:
    """OpenAI's error texts show a key's first and last characters."""
    if len(key) <= 12:
        return "*" * len(key)
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def content_filter_body() -> dict[str, object]:
    return error_body(
        "The response was filtered due to the prompt triggering the content management policy."
        " Please modify your prompt and retry.",
        error_type="invalid_request_error",
        code="content_filter",
        param="prompt",
    )


def context_length_body(input_tokens: int) -> dict[str, object]:
    return error_body(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in"
        f" {input_tokens} tokens. Please reduce the length of the messages.",
        error_type="invalid_request_error",
        code="context_length_exceeded",
        param="messages",
    )


def prefill_body() -> dict[str, object]:
    return error_body(
        "This model does not support assistant message prefill. The conversation must end with a"
        " user message.",
        error_type="invalid_request_error",
    )
