"""Parameters that models reject, and the results of the check at start, as metrics and log lines."""

from collections.abc import Mapping

from service.telemetry import metrics
from service.telemetry.turns import log

# the setting that avoids the rejected request from the start
SETTINGS: Mapping[str, str] = {
    "temperature": "LLM_TEMPERATURE=none",
    "max_tokens": "MAX_OUTPUT_TOKENS",
    "max_completion_tokens": "MAX_OUTPUT_TOKENS",
    "system": "SYSTEM_PROMPT=none",
}
NO_SETTING = "none: it is remembered until this worker ends"
FOUND_IN: Mapping[str, str] = {
    "key": "API_KEY",
    "access": "API_KEY",
    "account": "API_KEY",
    "model": "MODEL",
    "address": "BASE_URL",
    "unreachable": "BASE_URL",
    "unclear": "BASE_URL",
}


class Adaptations:
    """Parameters that models do not accept: counted every time, and logged once."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str, str]] = set()

    def adapted(self, model: str, parameter: str, change: str) -> None:
        metrics.ADAPTED.labels(model, parameter).inc()
        if (model, parameter, change) not in self._said:
            self._said.add((model, parameter, change))
            setting = SETTINGS.get(parameter, NO_SETTING)
            log().warning(
                "parameter_adapted",
                model=model,
                parameter=parameter,
                change=change,
                setting=setting,
            )


def found(problem: str, says: str, *, fallback: bool) -> None:
    """The result of the check of a provider at start."""
    kind = FOUND_IN[problem]
    primary = "LLM_MODEL" if kind == "MODEL" else f"OPENAI_{kind}"
    setting = f"FALLBACK_{kind}" if fallback else primary
    log().warning("model_server", problem=problem, says=says, setting=setting)
