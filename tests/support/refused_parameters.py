"""Refusals of a parameter as model servers write them: server, HTTP status, body, and the parameter with the change.

What is done: left_out, renamed (the limit's two names), lowered to a number, moved (the system role), whole (no stream).
"""

# ruff: noqa: E501 - sentences of servers, a row each

from typing import Any

from tests.support.refusals import error


def fastapi(kind: str, loc: list[Any], msg: str, **more: Any) -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": loc, "msg": msg, **more}]}


OPTIONS, SIZE, NEW_SIZE, HEAT = (
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
)
FORBIDDEN = "Extra inputs are not permitted"

# fmt: off
REFUSED = [
    # stream_options is not known
    ("openai", 400, error("Unknown parameter: 'stream_options'.", type="invalid_request_error", param=OPTIONS, code="unknown_parameter"), OPTIONS),
    ("azure old", 400, error("Unrecognized request argument supplied: stream_options", type="invalid_request_error", param=None, code=None), OPTIONS),
    ("azure plural", 400, error("Unrecognized request arguments supplied: stream_options, parallel_tool_calls", type="invalid_request_error"), OPTIONS),
    ("mistral", 422, {"object": "error", "message": fastapi("extra_forbidden", ["body", OPTIONS], FORBIDDEN, input={}), "type": "invalid_request_error", "param": None, "code": None}, OPTIONS),
    ("fastapi", 422, fastapi("extra_forbidden", ["body", OPTIONS], FORBIDDEN, input={"include_usage": True}), OPTIONS),
    ("fastapi 400", 400, fastapi("extra_forbidden", ["body", OPTIONS], FORBIDDEN), OPTIONS),
    ("pydantic 1", 422, fastapi("value_error.extra", ["body", OPTIONS], "extra fields not permitted"), OPTIONS),
    ("pydantic text", 400, error("1 validation error for ChatCompletionRequest\nstream_options\n  Extra inputs are not permitted [type=extra_forbidden, input_value={'include_usage': True}, input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.7/v/extra_forbidden", type="BadRequestError"), OPTIONS),
    ("vllm", 400, {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted', 'input': {}}]", "type": "BadRequestError", "code": 400}, OPTIONS),
    ("serde", 422, b"Failed to deserialize the JSON body into the target type: unknown field `stream_options`, expected one of `messages`, `model`, `max_tokens` at line 1 column 123", OPTIONS),
    ("serde json", 400, {"error": "unknown field `stream_options`, expected `model` or `messages`"}, OPTIONS),
    ("go", 400, {"error": 'json: unknown field "stream_options"'}, OPTIONS),
    ("zod", 400, error("Unrecognized key(s) in object: 'stream_options'", code="invalid_request"), OPTIONS),
    ("zod 4", 400, {"error": {"issues": [{"code": "unrecognized_keys", "keys": [OPTIONS], "path": [], "message": 'Unrecognized key: "stream_options"'}]}}, OPTIONS),
    ("ajv", 400, error("body must NOT have additional properties: stream_options"), OPTIONS),
    ("json schema", 400, error("Additional properties are not allowed ('stream_options' was unexpected)"), OPTIONS),
    ("nim", 400, {"type": "urn:inference-service:problem-details:bad-request", "title": "Bad Request", "status": 400, "detail": "Validation: Unsupported parameter(s): `stream_options`", "instance": "/v2/nvcf"}, OPTIONS),
    ("python keyword", 500, error("Completions.create() got an unexpected keyword argument 'stream_options'", type="server_error"), OPTIONS),
    ("python keyword 400", 400, {"detail": "create_chat_completion() got an unexpected keyword argument 'stream_options'"}, OPTIONS),
    ("gemini", 400, [error('Invalid JSON payload received. Unknown name "stream_options": Cannot find field.', code=400, status="INVALID_ARGUMENT")], OPTIONS),
    ("bedrock", 400, {"message": "Malformed input request: #: extraneous key [stream_options] is not permitted, please reformat your input and try again."}, OPTIONS),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "stream_options: Extra inputs are not permitted"}}, OPTIONS),
    ("groq", 400, error("property 'stream_options' is unsupported", type="invalid_request_error"), OPTIONS),
    ("cohere", 422, {"message": "unknown field: parameter 'stream_options' is not a valid field"}, OPTIONS),
    ("fireworks", 400, error("Extra inputs are not permitted, field: 'stream_options', value: {'include_usage': True}", object="error", type="invalid_request_error"), OPTIONS),
    ("databricks", 400, {"error_code": "BAD_REQUEST", "message": "Unsupported parameter: stream_options."}, OPTIONS),
    ("databricks field", 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "INVALID_PARAMETER_VALUE: Unexpected field 'stream_options'"}, OPTIONS),
    ("litellm", 400, error("litellm.UnsupportedParamsError: cohere does not support parameters: ['stream_options'], for model=command", type=None, code="400"), OPTIONS),
    ("yet", 400, error("The parameter `stream_options` is not supported yet."), OPTIONS),
    ("field not allowed", 400, error("Field stream_options not allowed"), OPTIONS),
    ("not one of", 400, error("'stream_options' is not one of the allowed parameters"), OPTIONS),
    ("does not exist", 400, error("The parameter stream_options does not exist"), OPTIONS),
    ("invalid parameter", 400, error("Invalid parameter: stream_options"), OPTIONS),
    ("azure foundry", 400, error("Extra parameters ['stream_options'] are not allowed when extra-parameters is not set or set to be 'error'. Set extra-parameters to 'pass-through' to pass to the model.", code="Invalid input", status=400), OPTIONS),
    ("jackson", 400, {"status": 400, "error": "Bad Request", "message": 'JSON parse error: Unrecognized field "stream_options" (class com.x.Request), not marked as ignorable'}, OPTIONS),
    ("not implemented", 501, error("stream_options is not implemented", code=501, type="not_supported_error"), OPTIONS),
    ("upper case", 400, error("UNSUPPORTED PARAMETER: stream_options"), OPTIONS),
    ("camel case", 400, error("Unknown field: streamOptions"), OPTIONS),
    ("nested name", 400, error("Unknown parameter: 'stream_options.include_usage'.", param="stream_options.include_usage", code="unknown_parameter"), OPTIONS),
    ("chinese", 400, error("不支持的参数: stream_options", code="InvalidParameter"), OPTIONS),
    ("korean", 400, error("지원하지 않는 파라미터입니다: stream_options"), OPTIONS),
    ("in a list", 400, [{"error": {"message": "Unsupported parameter: 'stream_options'", "code": 400}}], OPTIONS),
    ("errors", 400, {"errors": [{"message": "unknown parameter stream_options", "code": 5006}], "success": False}, OPTIONS),
    ("text", 400, b"unsupported parameter: stream_options", OPTIONS),
    # a temperature is not taken, or not this one
    ("gpt-5", 400, error("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", type="invalid_request_error", param=HEAT, code="unsupported_value"), HEAT),
    ("o1", 400, error("Unsupported parameter: 'temperature' is not supported with this model.", type="invalid_request_error", param=HEAT, code="unsupported_parameter"), HEAT),
    ("azure o1", 400, error("Unsupported parameter: 'temperature' is not supported with this model.", code="BadRequest"), HEAT),
    ("search preview", 400, error("Model incompatible request argument supplied: temperature", type="invalid_request_error", param=None, code=None), HEAT),
    ("anthropic thinking", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation"}}, HEAT),
    ("anthropic both", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` and `top_p` cannot both be specified for this model. Please use only one."}}, HEAT),
    ("anthropic newest", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` is deprecated for this model."}}, HEAT),
    ("moonshot", 400, error("invalid temperature: only 1 is allowed for this model", type="invalid_request_error"), HEAT),
    ("litellm", 400, error("litellm.UnsupportedParamsError: O-series models don't support temperature=0.2. Only temperature=1 is supported. To drop unsupported params set `litellm.drop_params = True`", type=None, code="400"), HEAT),
    ("strictly positive", 422, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}, HEAT),
    ("range", 400, error("temperature must be between 0 and 0.1"), HEAT),
    ("below one", 422, fastapi("less_than", ["body", HEAT], "Input should be less than 0.1"), HEAT),
    ("zhipu", 400, {"error": {"code": "1210", "message": "API 调用参数有误，请检查文档。temperature 参数非法"}}, HEAT),
    ("dashscope", 400, error("<400> InternalError.Algo.InvalidParameter: Temperature should be in [0.0, 0.1)", code="invalid_parameter_error"), HEAT),
    ("grok", 400, {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: temperature"}, HEAT),
    ("deepseek", 400, error("deepseek-reasoner does not support the parameter temperature", type="invalid_request_error"), HEAT),
    ("perplexity", 400, error('["At body -> temperature: Input should be less than 0.1"]', type="bad_request", code=400), HEAT),
    ("bedrock", 400, {"message": "Malformed input request: #/temperature: 0.2 is not less or equal to 0.1, please reformat your input and try again."}, HEAT),
    ("bedrock gateway", 400, {"detail": "An error occurred (ValidationException) when calling the ConverseStream operation: The model returned the following errors: `temperature` and `top_p` cannot both be specified for this model."}, HEAT),
    ("sampling", 400, error("Sampling parameters (temperature, top_p) are not supported by reasoning models"), HEAT),
    ("chinese temperature", 400, error("temperature参数不合法，取值范围(0,0.1]"), HEAT),
    ("korean temperature", 400, error("temperature 파라미터는 지원되지 않습니다."), HEAT),
    # the length has another name
    ("o1 length", 400, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", type="invalid_request_error", param=SIZE, code="unsupported_parameter"), "renamed"),
    ("azure length", 400, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", code="BadRequest", param=SIZE), "renamed"),
    ("groq length", 400, error("`max_tokens` is deprecated in favor of `max_completion_tokens`", type="invalid_request_error"), "renamed"),
    ("litellm length", 400, error("litellm.BadRequestError: AzureException BadRequestError - Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", type=None, code="400"), "renamed"),
    ("this model length", 400, error("this model is not supported MaxTokens, please use MaxCompletionTokens"), "renamed"),
    ("fastapi length", 422, fastapi("extra_forbidden", ["body", SIZE], FORBIDDEN), "renamed"),
    ("instead of", 400, error("Please use max_completion_tokens instead of max_tokens."), "renamed"),
    # the length is too large
    ("a limit's word", 400, error("max_tokens is too large: 4096. At most 1000", type="tokens", param=SIZE), 1000),
    ("openai 3.5", 400, error("max_tokens is too large: 4096. This model supports at most 1000 completion tokens, whereas you provided 4096.", type="invalid_request_error", param=SIZE, code="invalid_value"), 1000),
    ("tgi", 422, {"error": "Input validation error: `max_new_tokens` must be <= 2048. Given: 4096", "error_type": "validation"}, 2048),
    ("together", 422, error("Input validation error: `max_new_tokens` must be <= 2048. Given: 4096", type="invalid_request_error", param="max_tokens", code=None), 2048),
    ("python in 500", 500, {"detail": "Error code: 400 - {'error': {'message': 'max_tokens: 4096 > 2048, which is the maximum allowed', 'type': 'invalid_request_error'}}"}, 2048),
    ("openai above", 400, error("Invalid 'max_tokens': integer above maximum value. Expected a value <= 1000, but got 4096 instead.", type="invalid_request_error", param=SIZE, code="integer_above_max_value"), 1000),
    ("anthropic size", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: 4096 > 1000, which is the maximum allowed number of output tokens for claude-3-haiku-20240307"}}, 1000),
    ("deepseek size", 400, error("Invalid max_tokens value, the valid range of max_tokens is [1, 1000]", type="invalid_request_error", param=None, code="invalid_request_error"), 1000),
    ("dashscope size", 400, error("Range of max_tokens should be [1, 1000]", code="invalid_parameter_error"), 1000),
    ("groq size", 400, error("`max_tokens` must be less than or equal to `1000`, the maximum value for `max_tokens` is less than the `context_window` for this model", type="invalid_request_error", param=SIZE), 1000),
    ("groq new size", 400, error("`max_completion_tokens` must be less than or equal to `1000`, the maximum value for `max_completion_tokens` is less than the `context_window` for this model", type="invalid_request_error", param=NEW_SIZE), 1000),
    ("gemini size", 400, [error("Unable to submit request because it has a maxOutputTokens value of 4096 but the supported range is from 1 (inclusive) to 1001 (exclusive). Update the value and try again.", code=400, status="INVALID_ARGUMENT")], 1000),
    ("gemini short size", 400, [error("max_output_tokens must be in the range [1, 1000].", code=400, status="INVALID_ARGUMENT")], 1000),
    ("bedrock size", 400, {"message": "The maximum tokens you requested exceeds the model limit of 1000. Try again with a maximum tokens value that is lower than 1000."}, 1000),
    ("bedrock schema size", 400, {"message": "Malformed input request: #/max_tokens: 4096 is not less or equal to 1000, please reformat your input and try again."}, 1000),
    ("cohere size", 400, {"message": "too many tokens: max tokens must be less than or equal to 1000, the maximum output for this model - received 4096."}, 1000),
    ("fastapi size", 422, fastapi("less_than_equal", ["body", SIZE], "Input should be less than or equal to 1000", ctx={"le": 1000}), 1000),
    ("pydantic 1 size", 422, fastapi("value_error.number.not_le", ["body", SIZE], "ensure this value is less than or equal to 1000", ctx={"limit_value": 1000}), 1000),
    ("between", 400, error("max_tokens must be between 1 and 1000"), 1000),
    ("between inclusive", 400, error("max_tokens: must be between 1 and 1000 inclusive, got 4096"), 1000),
    ("at most", 400, error("max_tokens must be at most 1000, got 4096"), 1000),
    ("exceeds", 400, error("max_tokens (4096) exceeds the maximum of 1000"), 1000),
    ("exceeds limit", 400, error("max_tokens 4096 exceeds limit 1000"), 1000),
    ("cannot exceed", 400, error("`max_tokens` cannot exceed 1000"), 1000),
    ("no more than", 400, error("max_tokens should be no more than 1000"), 1000),
    ("not greater", 400, error("max_tokens must not be greater than 1000"), 1000),
    ("unicode", 400, error("max_tokens must be ≤ 1000"), 1000),
    ("operator", 400, error("max_tokens must be <= 1000"), 1000),
    ("half open", 400, error("max_tokens must be in (0, 1000]"), 1000),
    ("to", 400, error("Invalid max_tokens: 4096. Valid range is 1 to 1000."), 1000),
    ("comma", 400, error("max_tokens must be at most 1,000 for this model"), 1000),
    ("zhipu size", 400, {"error": {"code": "1210", "message": "API 调用参数有误，max_tokens 参数非法。取值范围 [1, 1000]"}}, 1000),
    ("volcengine size", 400, error("The parameter `max_tokens` specified in the request is not valid: integer above maximum value, expected a value <= 1000, but got 4096 instead.", code="InvalidParameter", param=SIZE, type="BadRequest"), 1000),
    ("minimax size", 400, error("invalid params, param 'max_tokens' should be in [1, 1000]", type="bad_request_error"), 1000),
    ("perplexity size", 400, error('["At body -> max_tokens: Input should be less than or equal to 1000"]', type="bad_request", code=400), 1000),
    ("vercel size", 400, error("max_tokens: Number must be less than or equal to 1000", type="invalid_request_error"), 1000),
    ("no number", 400, error("max_tokens is too large"), SIZE),
    ("clova size", 400, {"status": {"code": "40001", "message": "Invalid parameter: maxTokens, maximum value is 1000"}}, 1000),
    ("watsonx size", 400, {"errors": [{"code": "invalid_request_entity", "message": "The value of 'max_tokens' for this model cannot be larger than 1000"}]}, 1000),
    ("zod size", 400, {"error": {"issues": [{"code": "too_big", "maximum": 1000, "path": ["max_tokens"], "message": "Number must be less than or equal to 1000"}]}}, 1000),
    ("vllm length", 400, error("max_tokens=4096 cannot be greater than max_model_len=1000", type="BadRequestError", code=400), 1000),
    ("less than", 400, error("max_tokens must be less than 1001"), 1000),
    ("not less than", 400, error("max_tokens must not be less than 8192"), SIZE),
    ("larger than", 400, error("max_tokens can't be larger than 1000"), 1000),
    ("above", 400, error("max_tokens should not be above 1000"), 1000),
    ("allowed", 400, error("Requested max_tokens 4096 is greater than the maximum allowed 1000"), 1000),
    ("allowed colon", 400, error("max_tokens too high. Maximum allowed: 1000"), 1000),
    ("in brackets", 400, error("max_tokens exceeds model limit (1000)"), 1000),
    ("chinese most", 400, error("max_tokens 不能超过 1000"), 1000),
    ("chinese maximum", 400, error("max_tokens参数超过最大值1000"), 1000),
    ("korean most", 400, error("max_tokens는 1000 이하여야 합니다."), 1000),
    ("korean up to", 400, error("max_tokens 값은 최대 1000까지 허용됩니다."), 1000),
    # the system role
    ("gemma", 400, [error("Developer instruction is not enabled for models/gemma-3-27b-it", code=400, status="INVALID_ARGUMENT")], "moved"),
    ("gemma template", 500, error("System role not supported", code=500, type="server_error"), "moved"),
    ("vllm template", 400, {"object": "error", "message": "System role not supported", "type": "BadRequestError", "param": None, "code": 400}, "moved"),
    ("o1-mini", 400, error("Unsupported value: 'messages[0].role' does not support 'system' with this model.", type="invalid_request_error", param="messages[0].role", code="unsupported_value"), "moved"),
    ("only two roles", 500, error("Only user and assistant roles are supported!"), "moved"),
    ("list of roles", 400, error("invalid role: system, role should be one of user, assistant"), "moved"),
    ("bedrock system", 400, {"message": "This model doesn't support system messages. Try again without a system message or use a model that supports system messages."}, "moved"),
    ("fastapi role", 422, fastapi("literal_error", ["body", "messages", 0, "role"], "Input should be 'user' or 'assistant'", input="system"), "moved"),
    ("groq role", 400, error("'messages.0.role' : value must be one of ['user', 'assistant'], got 'system'", type="invalid_request_error"), "moved"),
    ("lm studio role", 400, {"error": 'Error rendering prompt with jinja template: "System role not supported".'}, "moved"),
    ("system prompt", 400, error("System prompts are not supported by this model"), "moved"),
    ("system instruction", 400, error("system_instruction is not supported for this model"), "moved"),
    ("does not accept", 400, error("This model does not accept system messages"), "moved"),
    ("not allowed", 400, error("messages: role 'system' is not allowed"), "moved"),
    ("unexpected role", 400, {"message": "Unexpected role system"}, "moved"),
    ("o1 beta", 400, error("This model only supports 'user' and 'assistant' roles; 'system' is not supported in beta"), "moved"),
    ("zod role", 400, error("Invalid enum value. Expected 'user' | 'assistant', received 'system'"), "moved"),
    ("chinese role", 400, error("该模型不支持 system 角色"), "moved"),
    ("korean role", 400, error("시스템 메시지는 지원되지 않습니다."), "moved"),
    # a stream is not given
    ("openai unverified", 400, error("Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization.", type="invalid_request_error", param="stream", code="unsupported_value"), "whole"),
    ("o1 stream", 400, error("Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported.", type="invalid_request_error", param="stream", code="unsupported_value"), "whole"),
    ("azure stream", 400, error("Unsupported parameter: 'stream' is not supported with this model.", param="stream", code="unsupported_parameter"), "whole"),
    ("no streaming", 400, error("Streaming is not supported for this model"), "whole"),
    ("streaming unsupported", 400, error("model does not support streaming", type="invalid_request_error"), "whole"),
    ("disabled stream", 400, error("Streaming is disabled for this deployment"), "whole"),
    ("stream false", 400, error("stream must be false for this model"), "whole"),
    ("chinese stream", 400, error("该模型不支持流式输出"), "whole"),
    ("korean stream", 400, error("이 모델은 스트리밍을 지원하지 않습니다."), "whole"),
    ("bedrock stream", 400, {"message": "The model is unsupported for streaming"}, "whole"),
    # limits and roles in other words
    ("fireworks stream", 400, error("Requests with max_tokens > 2048 must have stream=true"), 2048),
    ("databricks limit", 400, {"error_code": "BAD_REQUEST", "message": "max_tokens must not exceed 2048"}, 2048),
    ("japanese limit", 400, {"error": "max_tokensは2048以下でなければなりません"}, 2048),
    ("chinese at most", 400, error("参数 max_tokens 必须小于等于 2048"), 2048),
    ("qianfan roles", 400, error("role of message must be user or assistant", code="invalid_messages"), "moved"),
    ("bedrock operation", 400, {"message": "This model doesn't support the ConverseStream operation"}, "whole"),
    ("cerebras place", 422, {"message": "body.stream_options.include_usage: Extra inputs are not permitted", "type": "invalid_request_error", "param": "validation_error", "code": "wrong_api_format"}, OPTIONS),
]
# fmt: on

# what was asked when it was refused
ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    HEAT: 0.2,
    SIZE: 4096,
    "stream": True,
    OPTIONS: {"include_usage": True},
}


def is_changed(payload: dict[str, Any], change: str | int) -> bool:
    """Whether this is what is asked after the change, and nothing else changed."""
    if change == "moved":
        wanted = {**ASKED, "messages": [{"role": "user", "content": "Be brief.\n\nhi"}]}
    elif change == "whole":
        wanted = {**_without(OPTIONS), "stream": False}
    elif change == "renamed":
        wanted = {**_without(SIZE), NEW_SIZE: ASKED[SIZE]}
    elif isinstance(change, int):
        wanted = {**ASKED, SIZE: change}
    else:
        wanted = _without(change)
    return payload == wanted


def _without(name: str) -> dict[str, Any]:
    return {each: value for each, value in ASKED.items() if each != name}
