"""The words that servers use, and what they are to us: tables to read and to extend.

A word is compared by its letters and digits alone (`invalid_request_error` is `InvalidRequestError`), whole or by the
part before its first dot, colon or blank (`Throttling.RateQuota`, `content_filter: SAFETY`).
"""

import re
from typing import Literal

# why an answer ends, in our words
FinishReason = Literal["stop", "length", "tool_calls", "refusal", "content_filter"]

# what an error is to us
Kind = Literal[
    "filtered",  # the content policy refuses the question or the answer
    "quota",  # the account is empty
    "too_long",  # the conversation, or what is left for its answer, does not fit
    "key",  # it refuses our key
    "model",  # it does not know the model
    "address",  # it does not know the address
    "rate_limited",
    "failed",  # the server's own failure
    "conflict",  # a failure that is about this request alone
    "invalid",  # it refuses this request
    "rejected",  # it refuses us in another way
]


def squeezed(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.casefold())


def heads(word: str) -> tuple[str, str]:
    """The word in the form of the tables, and its first part."""
    return squeezed(word), squeezed(re.split(r"[.:\s]", word.strip(), maxsplit=1)[0])


def _words(lines: str) -> frozenset[str]:
    return frozenset(squeezed(word) for word in lines.split())


# Why an answer ends. A word that stands nowhere is a server's own for "stop".
_FINISH_REASONS: dict[FinishReason | Literal["failed"], str] = {
    "stop": """stop eos eos_token end_turn stop_sequence stop_token complete completed finish finished done normal
        finish_reason_stop""",
    "length": """length max_tokens model_length max_output_tokens max_new_tokens max_completion_tokens max_length
        token_limit context_length context_window_exceeded model_context_window_exceeded error_limit truncated
        length_capped finish_reason_max_tokens""",
    "tool_calls": "tool_calls tool_call tool_use function_call function_calls",
    "refusal": "refusal",
    "content_filter": """content_filter content_filtered safety recitation prohibited_content blocklist spii language
        image_safety guardrail_intervened sensitive toxicity error_toxic blocked flagged moderation
        finish_reason_safety finish_reason_recitation""",
    "failed": """abort aborted error failed failure insufficient_system_resource network_error cancelled canceled
        timeout internal_error server_error engine_overloaded malformed_function_call unexpected_tool_call
        malformed_response too_many_tool_calls""",
}
FINISH_REASONS: dict[str, FinishReason | Literal["failed"]] = {
    word: ours for ours, lines in _FINISH_REASONS.items() for word in _words(lines)
}
# Gemini's numbers for them
FINISH_NUMBERS: dict[int, FinishReason] = {
    1: "stop",
    2: "length",
    3: "content_filter",
    4: "content_filter",
    5: "stop",
}
NO_REASON = _words("null none unspecified finish_reason_unspecified")

# Error codes, types and statuses. Where several stand in one error, the kind that is first here counts.
_ERROR_WORDS: dict[Kind, str] = {
    "filtered": """content_filter content_filtered content_filter_error content_policy content_policy_violation
        content_policy_violation_error content_moderation content_safety ResponsibleAIPolicyViolation moderation
        moderation_error moderation_blocked policy_violation prohibited_content safety image_safety blocklist
        data_inspection_failed sensitive_content_detected input_text_sensitive_content_detected
        output_text_sensitive_content_detected guardrail_intervened guardrail_violation invalid_prompt
        flagged_input recitation sensitive""",
    "quota": """insufficient_quota insufficient_balance insufficient_credits insufficient_credit insufficient_funds
        insufficient_user_quota billing_hard_limit_reached billing_not_active billing_error payment_required
        exceeded_current_quota_error credit_limit_exceeded credits_exhausted out_of_credits arrearage
        account_overdue account_overdue_error budget_exceeded quota_exhausted spend_limit_reached""",
    "too_long": """context_length_exceeded context_window_exceeded context_window_exceeded_error
        exceed_context_size_error prompt_too_long input_too_long string_above_max_length tokens_limit_reached
        request_too_large max_context_length_exceeded token_limit_exceeded context_overflow""",
    "key": """invalid_api_key api_key_invalid incorrect_api_key missing_api_key api_key_expired authentication_error
        invalid_authentication invalid_authentication_error unauthorized unauthenticated unrecognized_client_exception
        expired_token_exception account_deactivated access_terminated permission_error permission_denied
        permission_denied_error forbidden access_denied access_denied_exception not_authorized""",
    "model": """model_not_found model_not_exist model_not_available model_not_supported invalid_model unknown_model
        unsupported_model deployment_not_found resource_not_found_exception""",
    "address": "not_found not_found_error",
    "rate_limited": """rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limit rate_limited tokens
        requests too_many_requests too_many_requests_error too_many_requests_exception resource_exhausted throttling
        throttling_exception throttled request_throttled limit_requests limit_burst_rate engine_overloaded_error
        service_quota_exceeded_exception capacity_exceeded""",
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
        template_error not_supported_error""",
}
ERROR_WORDS: dict[str, Kind] = {
    word: kind for kind, lines in _ERROR_WORDS.items() for word in _words(lines)
}
KINDS: tuple[Kind, ...] = tuple(_ERROR_WORDS)

# HTTP statuses, and codes within a stream; 5xx are `failed`, and what stands nowhere is `rejected`.
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
    429: "rate_limited",
    498: "rate_limited",
    499: "conflict",
}


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# What servers say in sentences, where they have no word for it.
SENTENCES: dict[Kind, re.Pattern[str]] = {
    "filtered": _any_of(
        r"content[ _-](?:management |safety |moderation )?(?:policy|policies|filter)",
        r"content exists risk",
        r"\A(?![\s\S]*\baccount\b[\s\S]*(?:deactivated|terminated|disabled))[\s\S]*usage (?:polic|guidelines)",
        r"(?:inappropriate|prohibited|harmful|sensitive|unsafe) content",
        r"(?:prompt|input|content|request|messages?|text|output|response) (?:was|were|is|has been|have been) "
        r"(?:flagged|blocked|moderated)",
        r"requires moderation|flagged_input|flagged (?:for|as|by)\b|moderation (?:policy|system|filter|endpoint)",
        r"safety (?:system|filter|polic|reason|setting|guideline)|blocked (?:by|for|due to) safety",
        r"responsible ai|guardrail|risk control",
        r"敏感|违规|不安全",
    ),
    "quota": _any_of(
        r"credit balance|insufficient[ _](?:account )?(?:balance|credit|fund|quota)",
        r"(?:balance|credits?|funds) (?:is |are |has been |have been )?(?:too low|insufficient|exhausted|depleted)",
        r"(?:out of|no|not enough|more|all available|monthly included) credits",
        r"(?:spend|spending|credit|key) limit\b|budget (?:has been |is )?exceeded|exceeded ?budget|over budget",
        r"payment required|unpaid|past invoices|overdue payment|billing hard limit",
        r"余额不足|欠费|账户已?欠",
    ),
    "too_long": _any_of(
        r"context[ _](?:length|window|size|limit)|context the overflows",
        r"max(?:imum)? (?:context|prompt|input|sequence|model) (?:length|tokens?|size)",
        r"(?:prompt|input|requests?|messages?|conversation|body)(?: is| are)? too (?:long|large)",
        r"too many (?:input |prompt )?tokens|tokens?, too large",
        r"reduce the length|reduce your prompt",
        r"model token limit|input token(?: count|s).{0,40}exceed|range of input length|tokens? exceeds? (?:the )?max",
        r"longer than the (?:model|maximum)|must have less than \d+ tokens|max_new_tokens`? must be <=",
        r"max size: \d+ tokens",
    ),
    "key": _any_of(
        r"api[ _-]?key.{0,20}(?:not valid|invalid|expired|incorrect|missing|revoked|not found|not exist)",
        r"(?:incorrect|invalid|missing|wrong|expired|no) (?:x-)?(?:api|auth|access|authentication|bearer)[ _-]?"
        r"(?:key|token|credential)",
        r"invalid authentication|unauthori[sz]ed|authentication (?:failed|fails)",
        r"account.{0,40}(?:deactivated|terminated)",
    ),
    "model": _any_of(
        r"\bmodel\b.{0,80}(?:not exist|not found|not available|is not a valid|not a valid|not been found|unknown)",
        r"(?:unknown|invalid|unsupported|no such) model|not a valid model|failed to load model",
        r"no (?:allowed )?(?:endpoints|providers) (?:found|available)|deployment.{0,40}not exist",
    ),
    "rate_limited": _any_of(r"rate.?limit|too many (?:concurrent )?requests|throttl"),
    # one caller's input, whatever the status says: chat templates and the JSON around them
    "invalid": _any_of(
        r"roles? must alternate|must be alternating|conversation roles",
        r"jinja|chat[ _]template|template (?:error|exception|render)|error rendering prompt|raise_exception",
        r"system (?:role|message|prompt)s? (?:is |are )?not supported",
        r"only (?:the )?user and assistant roles|last message must|first message must",
        r"json\.exception|failed to parse (?:messages|input|request|tool|json)|input validation error",
    ),
}

# Where thinking stands in a delta; the first that says something counts.
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
# kinds of parts, where content is a list
THINKING_PARTS = frozenset({"thinking", "reasoning", "reasoning_content", "thought"})
TEXT_PARTS = frozenset({"text", "output_text", "input_text", "text_delta"})
# Tags in the text itself, opening and closing (STRIP_THINK_TAGS).
THINK_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
)

# What ends a stream; names of events that are no frames.
END_MARKS = frozenset({b"[done]", b'"[done]"', b"done"})
ERROR_EVENTS = frozenset({b"error", b"exception"})
PINGS = frozenset({b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive"})
