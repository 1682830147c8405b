"""Finds the parameter that a server rejects in its words: a phrase that means rejection, and the first name."""

import re

from service.llm.wire.refusal import Reason, RefusedParameter
from service.llm.wire.said import Said

SYSTEM_ROLE = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s? (?:is |are )?"
    r"(?:not|un)[ -]?(?:supported|enabled|allowed|permitted|accepted)|"
    r"(?:does not|doesn't|cannot) (?:support|accept|allow|take) (?:a |the )?.?(?:system|developer)\b|"
    r"only (?:supports? )?(?:the )?.?user.? and .?assistant.? roles|system_instruction is not|"
    r"role.{0,3} .?(?:system|developer).? (?:is|are) not|"
    r"(?:invalid|unsupported|unknown|unexpected) (?:message )?role:? .?(?:system|developer)\b|"
    r"must be (?:either )?.?user.? or .?assistant|received .(?:system|developer)\b|"
    r"不支持.{0,2}system|시스템 (?:메시지|프롬프트|역할).{0,4}지원(?:되|하)지",
    re.IGNORECASE,
)
# something is wrong with a value; checked first, because "unsupported value" matches both
VALUE = re.compile(
    r"unsupported value|invalid value|(?:must|should|has to) be|too large|too small|too high|less than|greater than|"
    r"at most|at least|exceeds|out of range|range of|valid range|supported range|only \S+ is allowed|below minimum|"
    r"above maximum|maximum value|cannot exceed|not less or equal|may only be|\d+ > \d+",
    re.IGNORECASE,
)
UNSUPPORTED = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|unexpected|extraneous|extra inputs|additional properties|deprecated|"
    r"invalid (?:field|parameter|argument|option|property)|"
    r"not (?:supported|permitted|allowed|recogni[sz]ed|available|implemented|a valid)|"
    r"(?:does not|doesn't|cannot) support",
    re.IGNORECASE,
)
UNSUPPORTED_WORDS = frozenset(
    {"unsupportedparameter", "unknownparameter", "extraforbidden", "unsupportedparamserror"}
)
VALUE_WORDS = frozenset(
    {"unsupportedvalue", "invalidvalue", "integerabovemaxvalue", "decimalabovemaxvalue"}
)
ROLE = re.compile(r"messages?[\[.]\d+\]?\.role")
STREAMING = re.compile(
    r"verified to stream|streaming (?:is |was )?(?:not|un)[ -]?(?:yet )?(?:supported|allowed|available)|"
    r"(?:does not|doesn't|cannot|not) support(?:ed)? (?:for )?stream(?:ing)?\b|unsupported for streaming|"
    r"(?:does not|doesn't) support the \w*stream operation|streaming is disabled|"
    r"stream must be false|不支持流式|스트리밍.{0,4}지원(?:되|하)지",
    re.IGNORECASE,
)
# a name by its form: snake_case, camelCase, quoted, or right after "support"; other English words are not names
NAMES = re.compile(
    r"[\"'`“‘\[](?P<quoted>[A-Za-z]\w{0,62})[\"'`”’\]:]|\b(?P<snake>[a-z]+(?:_[a-z]+)+)\b|"
    r"\b(?P<camel>[a-z]+[A-Z]\w*)\b|\b(?P<known>temperature|max tokens)\b|"
    r"support (?:the )?(?:parameters? )?(?P<after>tools|stop|stream|temperature)\b",
)
# quoted words about parameters that are not parameters
NO_NAMES = frozenset(
    {
        "body", "query", "loc", "type", "msg", "input", "ctx", "url", "detail", "error",
        "message", "code", "param", "invalid_request_error", "extra_forbidden", "value_error",
        "bad_request", "unsupported_parameter", "unsupported_value", "unknown_parameter",
        "invalid_value", "role", "model", "user", "assistant", "context_window",
        "context_length", "model_id", "request_id",
    }
)  # fmt: skip
# what Cerebras writes in place of a parameter's name
NO_PARAMETER = "validation_error"
# all parameters that may be sent
ASKED = frozenset(
    {
        "system", "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream",
        "stream_options", "top_p", "top_k", "stop", "n", "seed", "user", "tools", "tool_choice",
        "parallel_tool_calls", "response_format", "presence_penalty", "frequency_penalty", "logprobs",
        "top_logprobs", "logit_bias", "reasoning_effort", "reasoning", "enable_thinking", "thinking",
        "chat_template_kwargs", "metadata", "store", "service_tier", "verbosity", "functions", "function_call",
    }
)  # fmt: skip
# ordinary words as well: names only by their form
AMBIGUOUS = frozenset(
    {
        "system", "stream", "stop", "n", "seed", "user", "tools", "store", "reasoning", "thinking", "metadata",
        "functions", "verbosity",
    }
)  # fmt: skip
MENTIONED = re.compile(
    r"(?<![a-z])(?:"
    + "|".join(
        f"({name.replace('_', '[_ ]?')})"
        for name in sorted(ASKED - AMBIGUOUS, key=len, reverse=True)
    )
    + r"|(maximum tokens|max_new_tokens))(?![a-z])",
    re.IGNORECASE,
)
RENAMED = {
    "maximumtokens": "max_tokens",
    "maxnewtokens": "max_tokens",
    "maxoutputtokens": "max_tokens",
}
SPELLED = {name.replace("_", ""): name for name in ASKED} | RENAMED
INSTEAD = re.compile(
    r"\buse [\"'`]?(?P<name>[a-z]\w{1,62})[\"'`]? instead(?: of [\"'`]?(?P<refused>[a-z]\w{1,62}))?",
    re.IGNORECASE,
)
LIMIT = re.compile(
    r"(?:(?<!not )(?<!no )(?<!not be )less than|less than or equal to|"
    r"at most|up to|<=|(?:\d|tokens) >|no more than|lower than|limit of|\[\s*\d+\s*,|≤|"
    r"[\[(]\s*\d+\s*,|between \d+ and|(?:from|is) \d+ (?:\(inclusive\) )?to|less or equal to|cannot exceed|"
    r"maximum(?: value| allowed)?(?: is| of|:)|maximum allowed|"
    r"(?:exceeds?|exceeded) (?:the )?(?:maximum|limit)(?: of)?|"
    r"(?:must|should|may) not exceed|小于等于|小于或等于|不大于|不得超过|"
    r"(?:not|can't) (?:be )?(?:greater|more|larger|above)(?: than)?(?: \w+=)?|limit (?:is|\()|"
    r"不能超过|最大值?为?|최대)\s*[`'\"]?(?P<limit>\d[\d,]{0,9})"
    r"(?P<open>[`'\"]? \(exclusive\))?",
    re.IGNORECASE,
)
LIMIT_FIRST = re.compile(
    r"(?P<limit>\d[\d,]{0,9})(?P<open>)\s?(?:이하|以下|以内|까지|[을를] 초과할 수 없)"
)
BELOW = re.compile(r"(?:lower|less) than\s*[`'\"]?\d", re.IGNORECASE)


def refused_parameter_in(said: Said, *, likely: bool) -> RefusedParameter | None:
    """None if the server names no parameter. likely: it rejects the request, so that a name alone is enough."""
    if SYSTEM_ROLE.search(said.text):
        return RefusedParameter("system", "unsupported")
    if STREAMING.search(said.text):
        return RefusedParameter("stream", "unsupported")
    reason = _reason(said)
    if reason is None:
        name = _mentioned_in(said.text) if likely else None
        return None if name is None else _refused(name, "value", said)
    place = next((place for place in said.places if len(place) > 1), None)
    if place is not None:
        return _at_place([part for part in place if part not in ("body", "query")], reason, said)
    name = _whole(said.parameter) or _name_in(said.text)
    if name is None or name.startswith("messages"):
        return _role_of(name or "", said)
    return _refused(name, reason, said)


def _whole(parameter: str | None) -> str | None:
    """The parameter to which a named field belongs."""
    if parameter is None or parameter.startswith("messages"):
        return parameter
    if parameter == NO_PARAMETER:
        return None
    return re.split(r"[.\[]", parameter)[0] or None


def _reason(said: Said) -> Reason | None:
    words = set(said.words)
    if words & UNSUPPORTED_WORDS:
        return "unsupported"
    if words & VALUE_WORDS or VALUE.search(said.text):
        return "value"
    return "unsupported" if UNSUPPORTED.search(said.text) else None


def _at_place(place: list[object], reason: Reason, said: Said) -> RefusedParameter | None:
    """From FastAPI's `loc`, the path to the field."""
    name = place[0] if place else None
    if not isinstance(name, str):
        return None
    if name == "messages":
        return _role_of(f"messages.{place[-1]}", said)
    return _refused(name, reason, said)


def _role_of(name: str, said: Said) -> RefusedParameter | None:
    """A role within the messages, which is the only part of them that can be changed."""
    named = ROLE.search(said.text)
    is_role = (name or (named[0] if named else "")).endswith("role")
    return RefusedParameter("system", "unsupported") if is_role else None


def _mentioned_in(text: str) -> str | None:
    """The first known parameter in the text, in any spelling."""
    found = MENTIONED.search(text)
    return SPELLED[re.sub(r"[_ ]", "", found[0]).lower()] if found else None


def _name_in(text: str) -> str | None:
    mentioned = _mentioned_in(text)
    if mentioned is not None:
        return mentioned
    for match in NAMES.finditer(text):
        name = next(group for group in match.groups() if group is not None)
        if name not in NO_NAMES:
            return _snake(name)
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _refused(name: str, reason: Reason, said: Said) -> RefusedParameter:
    instead = INSTEAD.search(said.text)
    if instead and instead["refused"]:
        return RefusedParameter(instead["refused"], "unsupported", None, instead["name"])
    limit = _limit(said.text) if reason == "value" and "tokens" in name else None
    return RefusedParameter(name, reason, limit, instead["name"] if instead else None)


def _limit(text: str) -> int | None:
    match = LIMIT.search(text) or LIMIT_FIRST.search(text)
    if match is None:
        return None
    limit = int(match["limit"].replace(",", ""))
    return limit - 1 if match["open"] or BELOW.match(match[0]) else limit
