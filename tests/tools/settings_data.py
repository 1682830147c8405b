"""Every setting as plain data, for what writes a list of them. It all comes from service/settings/."""

import re
from dataclasses import dataclass
from typing import Any

from service.settings import GROUPS, Settings
from service.settings.group import Group

HANGUL = re.compile("[가-힣]")


@dataclass(frozen=True)
class Text:
    """English and Korean."""

    en: str
    ko: str


@dataclass(frozen=True)
class Setting:
    """One variable. `default` is as written in .env, empty if there is none; a secret may also come from NAME_FILE."""

    name: str
    default: str
    values: Text
    text: Text
    secret: bool
    for_service: bool
    for_nginx: bool


@dataclass(frozen=True)
class Section:
    """The settings under one heading."""

    heading: Text
    settings: tuple[Setting, ...]


def sections() -> list[Section]:
    return [_section(group) for group in GROUPS]


def settings() -> list[Setting]:
    return [setting for section in sections() for setting in section.settings]


def _section(group: type[Group]) -> Section:
    fields = group.model_json_schema()["properties"]
    for_service = issubclass(Settings, group)
    return Section(
        _text(group.__name__, group.__doc__),
        tuple(
            _setting(name.upper(), fields[name], for_service=for_service)
            for name in group.model_fields
        ),
    )


def _setting(name: str, field: dict[str, Any], *, for_service: bool) -> Setting:
    return Setting(
        name=name,
        default=_written(field["default"]),
        values=_values(field),
        text=_text(name, field.get("description")),
        secret=field.get("format") == "password",
        for_service=for_service,
        for_nginx=field.get("nginx", False),
    )


def _text(name: str, docstring: str | None) -> Text:
    """English up to the first line with Korean in it."""
    lines = [line.strip() for line in (docstring or "").strip().splitlines()]
    korean = next((i for i, line in enumerate(lines) if HANGUL.search(line)), len(lines))
    text = Text(" ".join(lines[:korean]), " ".join(lines[korean:]))
    if not text.en or not text.ko:
        raise SystemExit(f"{name} needs a docstring: a sentence in English, then one in Korean.")
    return text


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ",".join(default)
    return "" if default is None else str(default)


def _values(field: dict[str, Any]) -> Text:
    """What is allowed, in words; empty for any text."""
    kind = field.get("anyOf", [field])[0]
    if kind["type"] in ("integer", "number"):
        return _range(kind)
    if kind["type"] == "boolean":
        return Text("`true` or `false`", "`true` 또는 `false`")
    if kind["type"] == "array":
        return Text("list, separated by commas", "쉼표로 구분한 목록")
    if words := kind.get("enum"):
        listed = ", ".join(f"`{word}`" for word in words)
        return Text(listed, listed)
    return TITLES.get(kind.get("title", ""), Text("", ""))


def _range(kind: dict[str, Any]) -> Text:
    least, most = kind.get("minimum"), kind.get("maximum")
    if most and most >= 1_000_000:
        most = f"{most:,}"
    if least is None:
        return Text(f"above 0, up to {most}", f"0 초과 {most} 이하")
    if most is None:
        return Text(f"{least} or more", f"{least} 이상")
    return Text(f"{least} to {most}", f"{least}~{most}")


TITLES = {
    "address": Text("IP address", "IP 주소"),
    "URL": Text("URL", "URL"),
    "file": Text("file", "파일"),
    "size": Text("size, such as `512m`", "크기(예: `512m`)"),
}
