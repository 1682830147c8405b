"""The files that repeat the settings: docs/settings.md, docs/settings.ko.md, .env.example, and those of containers."""

import re
import textwrap
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.tools.settings_data import Section, Setting, sections, settings

Language = Literal["en", "ko"]

EXAMPLE = ".env.example"
COMPOSE = "docker-compose.yml"
CLUSTER = "deploy/kubernetes/base/settings.env"
STACKS = (COMPOSE, "deploy/swarm/stack.yml")
PAGES: dict[str, Language] = {"docs/settings.md": "en", "docs/settings.ko.md": "ko"}

GENERATED = "<!-- `make fix` generates this file from service/settings/: changes here are lost. -->"
INTRODUCTION = {
    "en": f"""# Settings

*[한국어](settings.ko.md)*

{GENERATED}

Settings come from the environment or from `.env`; the environment takes precedence. `cp .env.example .env`, and
uncomment what you want to change. An empty variable means its default. If a value cannot work, the service refuses to
start and says why.

A secret can also come from a file, such as a mounted one: `NAME_FILE` is its path. In a container uid 10001 must be
able to read it. docker compose mounts `OPENAI_API_KEY_FILE` and `FALLBACK_API_KEY_FILE`.

With the local model of `make run`, `SYSTEM_PROMPT` and `MAX_OUTPUT_TOKENS` have other defaults, which suit that
model.
""",
    "ko": f"""# 설정

*[English](settings.md)*

{GENERATED}

환경 변수나 `.env`로 지정하며, 둘 다 있으면 환경 변수가 우선합니다. `cp .env.example .env` 후 바꿀 줄의 주석을
해제하세요. 값이 비어 있으면 기본값을 씁니다. 쓸 수 없는 값이 있으면 서비스는 이유를 알리고 시작하지 않습니다.

비밀값은 마운트한 시크릿 같은 파일에서도 읽을 수 있습니다. `이름_FILE`에 경로를 적으세요. 컨테이너에서는 uid 10001이
읽을 수 있어야 합니다. docker compose는 `OPENAI_API_KEY_FILE`과 `FALLBACK_API_KEY_FILE`의 파일을 마운트합니다.

`make run`의 로컬 모델을 쓸 때는 `SYSTEM_PROMPT`와 `MAX_OUTPUT_TOKENS`의 기본값이 그 모델에 맞게 바뀝니다.
""",
}
COLUMNS = {
    "en": "| Setting | Default | Values | Description |",
    "ko": "| 설정 | 기본값 | 값 | 설명 |",
}
OR_FILE = {"en": "or `{}_FILE`", "ko": "또는 `{}_FILE`"}
EXAMPLE_HEAD = """\
# Copy this file to .env and uncomment what you want to change; the values shown are the defaults.
# Environment variables override .env. Put values with quotes, $ or \\ into 'single quotes'.
# NAME_FILE is the path of a file that contains NAME. (make fix generates this file from service/settings/.)
"""
CLUSTER_HEAD = """\
# The settings that nginx also reads, with their defaults; an overlay's settings.env overrides them. (make fix generates
# this file from service/settings/.)
"""
BLOCK = re.compile(
    r"(?P<head> *# make fix writes these lines: (?P<readers>\w+)\n).*?(?P<end> *# end of these lines\n)",
    re.DOTALL,
)
DEFAULT = re.compile(r"\$\{(\w+):-[^}]*\}")


def expected(root: Path) -> dict[str, str]:
    """Each file with the text that it should have."""
    pages = {name: page(language) for name, language in PAGES.items()}
    stacks = {name: compose((root / name).read_text(encoding="utf-8"), name) for name in STACKS}
    return {**pages, EXAMPLE: example(), **stacks, CLUSTER: cluster()}


def page(language: Language) -> str:
    tables = [_table(section, language) for section in sections()]
    return "\n".join([INTRODUCTION[language], *tables])


def _table(section: Section, language: Language) -> str:
    lines = [f"## {getattr(section.heading, language)}", "", COLUMNS[language], "|---|---|---|---|"]
    lines += [_row(setting, language) for setting in section.settings]
    return "\n".join(lines) + "\n"


def _row(setting: Setting, language: Language) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    values = OR_FILE[language].format(setting.name) if setting.secret else ""
    values = values or getattr(setting.values, language)
    cells = (f"`{setting.name}`", default, values, getattr(setting.text, language))
    return "| " + " | ".join(cells) + " |"


def example() -> str:
    blocks = [EXAMPLE_HEAD]
    for section in sections():
        blocks.append(f"# --- {section.heading.en} ---\n")
        blocks += [_explained(setting) for setting in section.settings]
    return "\n".join(blocks)


def _explained(setting: Setting) -> str:
    text = setting.text.en.replace("`", "")
    lines = textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)
    shown = [f"#{setting.name}={setting.default}"]
    if setting.secret:
        shown.append(f"#{setting.name}_FILE=")
    return "\n".join([*(f"# {line}" for line in lines), *shown]) + "\n"


def cluster() -> str:
    """What has to be passed to nginx; the service knows its defaults."""
    return CLUSTER_HEAD + "".join(f"{each.name}={each.default}\n" for each in _for_nginx())


def compose(text: str, name: str = COMPOSE) -> str:
    """Fills the marked lines and each default in ${NAME:-default}; without one in the settings, compose's own stays."""
    lines = {
        "service": [f"- {name}" for name in _handed_over(text)],
        "nginx": [f"{each.name}: ${{{each.name}:-{each.default}}}" for each in _for_nginx()],
    }
    defaults = {setting.name: setting.default for setting in settings() if setting.default}
    if {found["readers"] for found in BLOCK.finditer(text)} != lines.keys():
        raise SystemExit(f"{name} lacks a line '# make fix writes these lines: ...', or its end")
    marked = BLOCK.sub(lambda found: _filled(found, lines[found["readers"]]), text)
    return DEFAULT.sub(lambda found: _with_default(found, defaults), marked)


def _for_nginx() -> list[Setting]:
    return [each for each in settings() if each.for_nginx]


def _handed_over(text: str) -> list[str]:
    """What the service reads, but for what stands in its list with a value."""
    environment: list[str] = _environment(text)
    by_hand = {entry.partition("=")[0] for entry in environment if "=" in entry}
    return [each.name for each in settings() if each.for_service and each.name not in by_hand]


def _environment(text: str) -> Any:
    return yaml.safe_load(text)["services"]["service"]["environment"]


def _filled(block: "re.Match[str]", lines: list[str]) -> str:
    indent = block["end"].removesuffix(block["end"].lstrip())
    return block["head"] + "".join(f"{indent}{line}\n" for line in lines) + block["end"]


def _with_default(found: "re.Match[str]", defaults: dict[str, str]) -> str:
    name = found[1]
    return f"${{{name}:-{defaults[name]}}}" if name in defaults else found[0]
