"""The words that servers use, and what they mean to us: tables to read and extend.

Words are compared by letters and digits only (`invalid_request_error` equals `InvalidRequestError`), completely or up
to the first dot, colon or space (`Throttling.RateQuota`, `content_filter: SAFETY`).
"""

import re
from typing import Literal

# our finish reasons
FinishReason = Literal["stop", "length", "tool_calls", "refusal", "content_filter"]

# our kinds of errors
Kind = Literal[
    "filtered",  # the content policy rejects the question or the answer
    "quota",  # the account has no credit left
    "too_long",  # the conversation, or the answer after it, does not fit
    "key",  # our key is rejected
    "model",  # the model is unknown
    "address",  # the address is unknown
    "rate_limited",
    "failed",  # the server's own failure
    "conflict",  # a failure that concerns only this request
    "invalid",  # this request is rejected
    "rejected",  # rejected for another reason
]


def squeezed(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.casefold())


def heads(word: str) -> tuple[str, str]:
    """The word as it is in the tables, and its first part."""
    return squeezed(word), squeezed(re.split(r"[.:\s]", word.strip(), maxsplit=1)[0])


def _words(lines: str) -> frozenset[str]:
    return frozenset(squeezed(word) for word in lines.split())


# Finish reasons. A word that is not listed is taken for a server's own name for "stop".
_FINISH_REASONS: dict[FinishReason | Literal["failed"], str] = {
    "stop": """stop eos eos_token end_turn stop_sequence stop_token complete completed finish finished done normal
        finish_reason_stop""",
    "length": """length max_tokens model_length max_output_tokens max_new_tokens max_completion_tokens max_length
        token_limit context_length context_window_exceeded model_context_window_exceeded error_limit truncated
        length_capped finish_reason_max_tokens incomplete""",
    "tool_calls": "tool_calls tool_call tool_use function_call function_calls",
    "refusal": "refusal",
    "content_filter": """content_filter content_filtered safety recitation prohibited_content blocklist spii language
        image_safety model_armor guardrail_intervened sensitive toxicity error_toxic blocked flagged moderation risk
        finish_reason_safety finish_reason_recitation""",
    "failed": """abort aborted error failed failure insufficient_system_resource network_error cancelled canceled
        timeout internal_error server_error engine_overloaded malformed_function_call unexpected_tool_call
        malformed_response too_many_tool_calls function_call_filter missing_thought_signature""",
}
FINISH_REASONS: dict[str, FinishReason | Literal["failed"]] = {
    word: ours for ours, lines in _FINISH_REASONS.items() for word in _words(lines)
}
# For words that are not listed: the first part they contain decides.
FINISH_HINTS: tuple[tuple[str, FinishReason | Literal["failed"]], ...] = (
    (
        "safety|filter|moderat|sensitiv|policy|prohibit|guardrail|harmful|toxic|illegal|inspection|^unsafe",
        "content_filter",
    ),
    (
        "violation|inappropriate|restrictedcontent|blacklist|censor|nsfw|recitation|^forbidden(?:content)?$",
        "content_filter",
    ),
    (
        "(?:input|output|prompt|content|request|response|text)blocked$|^blocked(?:content|input|output|prompt|response)$",
        "content_filter",
    ),
    (
        "error|fail|abort|cancel|timeout|timedout|interrupt|connect|exception|overload|unavailable",
        "failed",
    ),
    (
        "preempt|evict|kill|crash|shutdown|outofmemory|^oom|(?:cuda|gpu|engine|worker)oom$",
        "failed",
    ),
    (
        "deadline|quota|ratelimit|unload|capacity|malformed",
        "failed",
    ),
    (
        "resources?exhausted|(?:insufficient|outof|notenough)resources?|throttl",
        "failed",
    ),
    (
        "^busy$|(?:server|engine|model|system|service|worker|upstream|provider)busy$|^gateway$|badgateway",
        "failed",
    ),
    ("length|limit|tokenbudget|manytokens|max[a-z]*tok|truncat|exceed|overflow", "length"),
)
# Gemini's numeric finish reasons
FINISH_NUMBERS: dict[int, FinishReason] = {
    1: "stop",
    2: "length",
    3: "content_filter",
    4: "content_filter",
    5: "stop",
}
NO_REASON = _words(
    "null none undefined unspecified finish_reason_unspecified not_finished unfinished in_progress"
)

# Error codes, types and statuses. If an error has several, the kind that is first here counts.
_ERROR_WORDS: dict[Kind, str] = {
    "filtered": """content_filter content_filtered content_filter_error content_policy content_policy_violation
        content_policy_violation_error content_moderation content_safety ResponsibleAIPolicyViolation moderation
        moderation_error moderation_blocked policy_violation prohibited_content safety image_safety blocklist
        data_inspection_failed sensitive_content_detected input_text_sensitive_content_detected
        output_text_sensitive_content_detected guardrail_intervened guardrail_violation invalid_prompt
        flagged_input recitation sensitive new_sensitive unsafe_request input_text_risk_detection
        output_text_risk_detection input_guardrail_triggered output_guardrail_triggered censorship_blocked""",
    "quota": """insufficient_quota insufficient_balance insufficient_credits insufficient_credit insufficient_funds
        insufficient_user_quota billing_hard_limit_reached billing_not_active billing_error payment_required
        exceeded_current_quota_error credit_limit_exceeded credits_exhausted out_of_credits arrearage
        account_overdue account_overdue_error budget_exceeded quota_exhausted spend_limit_reached not_enough_balance
        insufficient_balance_error pre_consume_token_quota_failed billing_disabled
        allocation_quota_free_tier_only token_quota_reached""",
    "too_long": """context_length_exceeded context_window_exceeded context_window_exceeded_error
        exceed_context_size_error prompt_too_long input_too_long string_above_max_length tokens_limit_reached
        request_too_large max_context_length_exceeded token_limit_exceeded context_overflow text_too_long
        model_max_prompt_tokens_exceeded""",
    "key": """invalid_api_key api_key_invalid incorrect_api_key missing_api_key api_key_expired authentication_error
        invalid_authentication invalid_authentication_error unauthorized unauthenticated unrecognized_client_exception
        expired_token_exception token_expired expired_token expired_key account_deactivated access_terminated
        wrong_api_key auth_error auth_failure invalid_iam_token denied_authentication""",
    "model": """model_not_found model_not_exist model_not_available model_not_supported invalid_model unknown_model
        unsupported_model deployment_not_found resource_not_found_exception resource_not_found_error no_access
        resource_does_not_exist endpoint_not_found operation_not_supported model_access_denied model_decommissioned
        model_terms_required model_permission_blocked_org model_permission_blocked_project key_model_access_denied
        invalid_endpoint_or_model unavailable_model model_not_open""",
    "rejected": """permission_error permission_denied permission_denied_error forbidden access_denied
        access_denied_exception not_authorized ip_not_authorized request_forbidden
        unsupported_country_region_territory organization_restricted""",
    "address": "not_found not_found_error",
    "rate_limited": """rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limit rate_limited tokens
        requests too_many_requests too_many_requests_error too_many_requests_exception resource_exhausted throttling
        throttling_exception throttled request_throttled limit_requests limit_burst_rate engine_overloaded_error
        service_quota_exceeded_exception capacity_exceeded service_tier_capacity_exceeded too_many_tokens_error
        token_quota_exceeded request_quota_exceeded queue_exceeded rpm_rate_limit_exceeded tpm_rate_limit_exceeded
        request_limit_exceeded user_rate_limit_exceeded""",
    "failed": """server_error internal_server_error internal_error internal internal_failure api_error
        api_connection_error connection_error service_unavailable service_unavailable_error
        service_unavailable_exception unavailable overloaded overloaded_error engine_overloaded server_overloaded
        timeout timeout_error gateway_timeout deadline_exceeded bad_gateway provider_error provider_unavailable
        upstream_error model_error_exception model_timeout_exception model_not_ready_exception internal_server_exception
        generation incomplete_generation unknown_error stream_error""",
    "invalid": """invalid_request_error invalid_request bad_request bad_request_error invalid_argument
        invalid_parameter invalid_parameter_error unsupported_parameter unsupported_value unknown_parameter
        unsupported_params_error missing_required_parameter invalid_value invalid_type invalid_input value_error
        validation validation_error validation_exception input_validation_error request_validation_error
        unprocessable_entity unprocessable_entity_error failed_precondition out_of_range extra_forbidden
        template_error not_supported_error invalid_request_message_order invalid_request_prompt invalid_message""",
}
ERROR_WORDS: dict[str, Kind] = {
    word: kind for kind, lines in _ERROR_WORDS.items() for word in _words(lines)
}
KINDS: tuple[Kind, ...] = tuple(_ERROR_WORDS)

# HTTP statuses, and codes within a stream; 5xx are `failed`, and all others `rejected`.
ERROR_STATUSES: dict[int, Kind] = {
    400: "invalid",
    401: "key",
    402: "quota",
    404: "address",
    405: "address",
    408: "failed",
    409: "conflict",
    413: "invalid",
    414: "invalid",
    422: "invalid",
    424: "conflict",
    # it was not processed, and may be sent again (RFC 8470)
    425: "conflict",
    429: "rate_limited",
    446: "invalid",
    498: "rate_limited",
    499: "conflict",
}


# Fields of a delta that contain thinking; the first that is not empty counts.
THINKING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "thinking_content",
    "thought",
    "reasoning_details",
    "thinking_blocks",
)
# types of parts, if content is a list
THINKING_PARTS = frozenset({"thinking", "reasoning", "reasoning_content", "thought"})
TEXT_PARTS = frozenset({"text", "output_text", "input_text", "text_delta"})
# Opening and closing tags within the text (STRIP_THINK_TAGS).
THINK_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    # gpt-oss, Gemma and Solar, where the server leaves its channels in the text
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|think|>", "<|content|>"),
)

# What ends a stream, and names of events that are not frames.
END_MARKS = frozenset({b"[done]", b'"[done]"', b"done"})
ERROR_EVENTS = frozenset({b"error", b"exception"})
PINGS = frozenset({b"ping", b"pong", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive"})
