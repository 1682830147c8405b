"""The environment as Settings: empty variables, secrets from files, and one sentence per unusable value."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from service.settings.group import Group
from service.settings.model import SECRETS, CommandSettings, Settings

# pydantic's own messages speak of parsing
UNPARSED = {
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
}
# and its bounds, of mathematics
PLAIN_WORDS = (
    ("Value error, ", ""),
    ("Input should be", "must be"),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
    ("greater than", "above"),
)


class UnsafeSettings(ValueError):
    """The service cannot run with this environment. The text names variables, never their values."""


Kind = TypeVar("Kind", bound=Group)


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """An empty variable means its default, except LLM_TEMPERATURE, where it means that none is sent.

    Raises UnsafeSettings with one sentence per unusable variable.
    """
    return _load(Settings, environment)


def load_for_commands(environment: Mapping[str, str] = os.environ) -> CommandSettings:
    """Like load, for the commands."""
    return _load(CommandSettings, environment)


def _load(kind: type[Kind], environment: Mapping[str, str]) -> Kind:
    values = {name: environment.get(name.upper(), "").strip() for name in kind.model_fields}
    given = {name: value for name, value in values.items() if value}
    if "LLM_TEMPERATURE" in environment:
        given.setdefault("llm_temperature", "none")
    try:
        return kind.model_validate(_secret_files(kind, environment) | given)
    except ValidationError as error:
        raise UnsafeSettings("; ".join(_sentence(item) for item in error.errors())) from None


def _secret_files(kind: type[Group], environment: Mapping[str, str]) -> dict[str, str]:
    secrets = [name for name in SECRETS if name in kind.model_fields]
    paths = {name: environment.get(f"{name.upper()}_FILE", "").strip() for name in secrets}
    return {name: _read_secret(name.upper(), Path(path)) for name, path in paths.items() if path}


def _read_secret(name: str, path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
            raise UnsafeSettings(
                f"{name}_FILE is writable by everybody: its mode is {mode & 0o777:o}"
            )
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnsafeSettings(
            f"{name}_FILE cannot be read: {_why_unreadable(path, error)}"
        ) from None


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        try:
            status = path.stat()
        except OSError:
            return f"no access to its folder for uid {os.getuid()}"
        mode = f"uid {status.st_uid} with mode {status.st_mode & 0o777:o}"
        return f"it belongs to {mode}, and this process is uid {os.getuid()}"
    return (
        "it is not a text file"
        if isinstance(error, UnicodeDecodeError)
        else "there is no such file"
    )


def _sentence(item: Any) -> str:
    variable = "_".join(str(part) for part in item["loc"][:1]).upper()
    reason = UNPARSED.get(item["type"], item["msg"])
    for theirs, ours in PLAIN_WORDS:
        reason = reason.replace(theirs, ours, 1)
    return f"{variable}: {reason}" if variable else reason
