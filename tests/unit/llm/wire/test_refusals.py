"""What servers refuse about how they were asked: the parameter they name, and what they say of their window."""

# ruff: noqa: ISC004 - sentences of servers, a row each

import json

import pytest

from service.errors import Detail, UpstreamInvalidRequest
from service.llm.wire.errors import of_response
from service.llm.wire.refusal import Overflow, ParameterRefused, RefusedParameter, WindowExceeded


def error(**fields):
    return {"error": fields}


def refused(name, reason="unsupported", allowed_max=None, instead=None):
    return RefusedParameter(name, reason, allowed_max, instead)


EXTRA = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted", "input": 100}

PARAMETERS = [
    # OpenAI, Azure
    ("openai value", 400, error(message="Unsupported value: 'temperature' does not support 0.2 with this model. Only "
     "the "
     "default (1) value is supported.", type="invalid_request_error", param="temperature", code="unsupported_value"),
     refused("temperature", "value")),
    ("openai parameter", 400, error(message="Unsupported parameter: 'max_tokens' is not supported with this model. Use "
     "'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter"),
     refused("max_tokens", instead="max_completion_tokens")),
    ("openai without param", 400, error(message="Unsupported parameter: 'max_tokens' is not supported with this model. "
     "Use 'max_completion_tokens' instead."), refused("max_tokens", instead="max_completion_tokens")),
    ("openai unknown", 400, error(message="Unknown parameter: 'stream_options'.", param="stream_options",
     code="unknown_parameter"), refused("stream_options")),
    ("openai old", 400, error(message="Unrecognized request argument supplied: stream_options",
     type="invalid_request_error", param=None, code=None), refused("stream_options")),
    ("openai too many", 400, error(message="max_tokens is too large: 40000. This model supports at most 16384 "
     "completion "
     "tokens, whereas you provided 40000.", param="max_tokens", code="invalid_value"),
     refused("max_tokens", "value", 16384)),
    ("openai above", 400, error(message="Invalid 'max_completion_tokens': integer above maximum value. Expected a "
     "value "
     "<= 32768, but got 40000 instead.", param="max_completion_tokens", code="integer_above_max_value"),
     refused("max_completion_tokens", "value", 32768)),
    ("o1-mini system", 400, error(message="Unsupported value: 'messages[0].role' does not support 'system' with this "
     "model.", param="messages[0].role", code="unsupported_value"), refused("system")),
    # Mistral, FastAPI, vLLM
    ("mistral", 422, {"object": "error", "message": {"detail": [{**EXTRA, "loc": ["body", "max_completion_tokens"]}]},
     "type": "invalid_request_error"}, refused("max_completion_tokens")),
    ("fastapi", 422, {"detail": [{**EXTRA, "loc": ["body", "stream_options"]}]}, refused("stream_options")),
    ("fastapi nested", 422, {"detail": [{**EXTRA, "loc": ["body", "stream_options", "include_usage"]}]},
     refused("stream_options")),
    ("fastapi limit", 422, {"detail": [{"type": "less_than_equal", "loc": ["body", "max_tokens"],
     "msg": "Input should be "
     "less than or equal to 8192", "ctx": {"le": 8192}}]}, refused("max_tokens", "value", 8192)),
    ("fastapi temperature", 422, {"detail": [{"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input "
     "should be less than or equal to 1"}]}, refused("temperature", "value")),
    ("fastapi role", 422, {"detail": [{"type": "literal_error", "loc": ["body", "messages", 0, "role"], "msg": "Input "
     "should be 'user' or 'assistant'", "input": "system"}], "message": "unsupported role 'system'"},
      refused("system")),
    ("vllm", 400, {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'foo_bar'), 'msg': "
     "'Extra "
     "inputs are not permitted', 'input': 1}]", "type": "BadRequestError", "code": 400}, refused("foo_bar")),
    # the others
    ("groq", 400, error(message="property 'stream_options' is unsupported", type="invalid_request_error"),
     refused("stream_options")),
    ("groq limit", 400, error(message="`max_tokens` must be less than or equal to `8192`, the maximum value for "
     "`max_tokens` is less than the `context_window` for this model"), refused("max_tokens", "value", 8192)),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "stream_options: Extra "
     "inputs are not permitted"}}, refused("stream_options")),
    ("anthropic limit", 400, error(message="max_tokens: 100000 > 8192, which is the maximum allowed number of output "
     "tokens for claude-3-5-sonnet"), refused("max_tokens", "value", 8192)),
    ("anthropic new", 400, error(message="`temperature` is deprecated for this model."), refused("temperature")),
    ("gemini", 400, [error(code=400, message='Invalid JSON payload received. Unknown name "stream_options": Cannot '
     'find '
     'field.', status="INVALID_ARGUMENT")], refused("stream_options")),
    ("gemini limit", 400, error(message="Unable to submit request because it has a maxOutputTokens value of 40000 but "
     "the "
     "supported range is from 1 (inclusive) to 8193 (exclusive)."), refused("max_tokens", "value", 8192)),
    ("gemma", 400, [error(code=400, message="Developer instruction is not enabled for models/gemma-3-27b-it",
     status="INVALID_ARGUMENT")], refused("system")),
    ("fireworks", 400, error(message="Extra inputs are not permitted, field: 'stream_options', value: {}"),
     refused("stream_options")),
    ("cohere", 422, {"message": "unknown field: parameter 'stream_options' is not a valid field"},
     refused("stream_options")),
    ("go", 400, {"error": 'json: unknown field "stream_options"'}, refused("stream_options")),
    ("json schema", 400, error(message="Additional properties are not allowed ('stream_options' was unexpected)"),
     refused("stream_options")),
    ("bedrock", 400, {"message": "Malformed input request: #: extraneous key [stream_options] is not permitted, please "
     "reformat your input and try again."}, refused("stream_options")),
    ("bedrock limit", 400, {"message": "The maximum tokens you requested exceeds the model limit of 4096. Try again "
     "with "
     "a max tokens value that is lower than 4097."}, refused("max_tokens", "value", 4096)),
    ("deepseek limit", 400, error(message="Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
     refused("max_tokens", "value", 8192)),
    ("dashscope limit", 400, error(code="invalid_parameter_error", message="<400> InternalError.Algo.InvalidParameter: "
     "Range of max_tokens should be [1, 8192]"), refused("max_tokens", "value", 8192)),
    ("moonshot", 400, error(message="invalid temperature: only 0.6 is allowed for this model",
     type="invalid_request_error"), refused("temperature", "value")),
    ("xai", 400, {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: "
     "presencePenalty"}, refused("presence_penalty")),
    ("xai model", 400, {"error": "Model grok-4 does not support parameter reasoningEffort."},
     refused("reasoning_effort")),
    ("litellm", 400, error(message="litellm.UnsupportedParamsError: openai does not support parameters: "
     "['temperature'], "
     "for model=o1", type=None, code="400"), refused("temperature")),
    ("ollama", 400, error(message="registry.ollama.ai/library/gemma:2b does not support tools", type="api_error"),
     refused("tools")),
    ("together", 400, error(message="Input validation error: `temperature` must be strictly positive"),
     refused("temperature", "value")),
    ("gemma template", 500, {"error": "System role not supported"}, refused("system")),
    ("an old template", 500, error(message="Only user and assistant roles are supported!"), refused("system")),
    ("a list of roles", 400, error(message="invalid role: system, role should be one of user, assistant"),
     refused("system")),
    ("Cohere", 400, {"message": "invalid field: stream_options"}, refused("stream_options")),
    ("gemma jinja", 400, {"object": "error", "message": "System role not supported", "type": "BadRequestError",
     "code": 400}, refused("system")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "parameter"), [row[1:] for row in PARAMETERS], ids=[r[0] for r in PARAMETERS]
)
def test_the_parameter_that_a_server_names(status, body, parameter):
    ours = of_response(status, {}, json.dumps(body).encode())
    assert isinstance(ours, ParameterRefused), ours.cause
    assert ours.refused == parameter
    assert ours.code == "upstream_invalid_request"


@pytest.mark.parametrize(
    "message",
    [
        "bad request",
        "Invalid JSON",
        "messages must not be empty",
        "Invalid type for 'messages[0].content': expected a string",
        "[] is too short - 'messages'",
    ],
)
def test_what_is_no_parameter_of_ours(message):
    body = json.dumps(error(message=message, param=None)).encode()
    ours = of_response(400, {}, body)
    assert isinstance(ours, UpstreamInvalidRequest)
    assert not isinstance(ours, ParameterRefused) or ours.details == ()


@pytest.mark.parametrize(
    ("parameter", "details"),
    [
        (refused("temperature", "value"),
         (Detail("temperature", "has a value that this model does not accept"),)),
        (refused("temperature"), (Detail("temperature", "is not supported by this model"),)),
        (refused("max_completion_tokens", "value", 8192),
         (Detail("max_tokens", "must be at most 8192 for this model"),)),
        (refused("a_servers_own_word"), ()),
    ],
)  # fmt: skip
def test_a_caller_is_told_of_a_field_of_their_own_only(parameter, details):
    assert ParameterRefused(parameter).details == details


WINDOWS = [
    ("openai", "This model's maximum context length is 4097 tokens. However, you requested 4112 tokens (16 in the "
     "messages, 4096 in the completion). Please reduce the length of the messages or completion.",
     Overflow(4097, 4112, 16)),
    ("openai messages", "This model's maximum context length is 128000 tokens. However, your messages resulted in "
     "130000 "
     "tokens.", Overflow(128000, None, 130000)),
    ("gpt-5", "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
     Overflow(272000, None, 300000)),
    ("vllm", "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 "
     "tokens and your request has 16 input tokens (4096 > 4096 - 16).", Overflow(4096, None, 16)),
    ("vllm prompt", "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
     Overflow(4096, None, 5000)),
    ("vllm newer", "You passed 4097 input tokens and requested 0 output tokens. However, the model's context length is "
     "only 4096 tokens, resulting in a maximum input length of 4096 tokens.", Overflow(4096, None, 4097)),
    ("sglang", "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a "
     "total of "
     "5000 tokens: 900 tokens from the input messages and 4100 tokens for the completion.", Overflow(4096, 5000, 900)),
    ("sglang input", "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
     Overflow(4096, None, 5000)),
    ("llama.cpp", "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
     Overflow(4096, None, 4390)),
    ("lm studio", "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
     "context length of only 4096 tokens, which is not enough.", Overflow(4096, None, 5000)),
    ("anthropic", "prompt is too long: 210000 tokens > 200000 maximum", Overflow(200000, None, 210000)),
    ("anthropic sum", "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, decrease input "
     "length "
     "or `max_tokens` and try again", Overflow(200000, 206192, 198000)),
    ("gemini", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).",
     Overflow(1048575, None, 1200000)),
    ("mistral", "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context "
     "length",
     Overflow(32768, None, 40000)),
    ("openrouter", "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 "
     "tokens "
     "(139000 of text input, 1000 in the output).", Overflow(131072, 140000, 139000)),
    ("tgi", "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 8000 `inputs` tokens "
     "and "
     "4096 `max_new_tokens`", Overflow(8193, None, 8000)),
    ("tgi inputs", "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000",
     Overflow(4095, None, 5000)),
    ("fireworks", "The prompt is too long: 140000, model maximum context length: 131071", Overflow(131071, None,
     140000)),
    ("xai", "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
     Overflow(131072, None, 537812)),
    ("moonshot", "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)",
     Overflow(8192, 9000, None)),
    ("dashscope", "Range of input length should be [1, 30720]", Overflow(30720, None, None)),
    ("cohere", "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
     Overflow(4081, None, 5000)),
    ("cerebras", "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
     Overflow(8192, None, 9000)),
    ("groq per minute", "Request too large for model `x` on tokens per minute (TPM): Limit 6,000, Requested 7,000",
     Overflow(6000, 7000, None)),
    ("github", "Request body too large for gpt-4o model. Max size: 8000 tokens.", Overflow(8000, None, None)),
    ("no numbers", "Input is too long for requested model.", Overflow()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "overflow"), [r[1:] for r in WINDOWS], ids=[r[0] for r in WINDOWS]
)
@pytest.mark.parametrize("status", [400, 422])
def test_what_a_server_says_of_its_window(status, message, overflow):
    ours = of_response(status, {}, json.dumps(error(message=message)).encode())
    assert isinstance(ours, WindowExceeded), ours.cause
    assert ours.overflow == overflow


def test_numbers_in_fields_of_their_own():
    body = error(
        code=400, type="exceed_context_size_error", message="x", n_prompt_tokens=1407, n_ctx=256
    )
    ours = of_response(400, {}, json.dumps(body).encode())
    assert isinstance(ours, WindowExceeded)
    assert ours.overflow == Overflow(256, None, 1407)
