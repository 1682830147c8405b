"""Sets the options of one call as fields of a provider's model, because not every class takes them per call."""

from collections.abc import Mapping
from functools import cache
from typing import Any

# our name for an option, and the providers' names
FIELDS = {
    "model": ("model", "model_name", "model_id"),
    "temperature": ("temperature",),
    "max_tokens": (
        "max_tokens",
        "max_output_tokens",
        "num_predict",
        "max_completion_tokens",
        "max_new_tokens",
    ),
}
# Azure calls a model by its deployment
NAMES = (*FIELDS["model"], "deployment_name")
# Google's own form of a name
MODELS = "models/"


def with_options(model: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns a copy with the options that are fields of it, and the remaining options."""
    kinds = type(model).model_fields
    fields, left = {}, dict(options)
    for ours, theirs in FIELDS.items():
        name = next((one for one in theirs if one in kinds), None)
        given = [
            left.pop(one) for one in {ours: 0, **dict.fromkeys(theirs)} if one in left and name
        ]
        if name is None or not given:
            continue
        fields[name] = given[0]
        if ours == "model" and str(getattr(model, name, "")).startswith(MODELS):
            fields[name] = MODELS + str(fields[name]).removeprefix(MODELS)
    return (model.model_copy(update=fields) if fields else model), left


def in_our_names(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """A call's options, those that are fields of the model by our names."""
    kind: Any = type(model)
    ours = _our_names(kind)
    return {ours.get(name, name): value for name, value in options.items()}


def fields_of(model: Any) -> dict[str, Any]:
    """What of a call's options are fields of it, by our names."""
    kind: Any = type(model)
    return {ours: getattr(model, name) for ours, name in _names(kind)}


@cache
def _our_names(kind: Any) -> dict[str, str]:
    return {one: name for name, _ in _names(kind) for one in FIELDS[name]}


@cache
def _names(kind: Any) -> list[tuple[str, str]]:
    found = (
        (ours, next((one for one in theirs if one in kind.model_fields), None))
        for ours, theirs in FIELDS.items()
    )
    return [(ours, name) for ours, name in found if name is not None]


def name_of(model: Any) -> str | None:
    """None if it has no name."""
    found = (getattr(model, one, None) for one in NAMES)
    name = next((one for one in found if isinstance(one, str) and one), None)
    return None if name is None else name.removeprefix(MODELS)
