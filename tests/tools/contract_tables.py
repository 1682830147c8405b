"""The tables of docs/contract.md that the code knows best: errors, endings, metrics."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import get_args

from service import errors
from service.errors import ChatError, Ending
from tests.tools.contract_texts import ENDINGS, ERRORS
from tests.tools.metrics_data import ExportedMetric, Values, exported
from tests.tools.settings_files import Language

PAGES: dict[str, Language] = {"docs/contract.md": "en", "docs/contract.ko.md": "ko"}
BLOCK = re.compile(
    r"(?P<head><!-- make fix writes: (?P<table>\w+) -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL
)
MOST_LISTED = 6
YES = {"en": "yes", "ko": "예"}
NO = {"en": "no", "ko": "아니요"}
HEADS = {
    ("errors", "en"): "| Code | HTTP | Retryable | Ending | When |",
    ("errors", "ko"): "| 코드 | HTTP | 재시도 | 종료 상태 | 언제 |",
    ("endings", "en"): "| Ending | What happened |",
    ("endings", "ko"): "| 종료 상태 | 무슨 일이 있었나 |",
    ("metrics", "en"): "| Metric | Type | Labels | What it counts |",
    ("metrics", "ko"): "| 지표 | 종류 | 레이블 | 설명 |",
}


def expected(root: Path) -> dict[str, str]:
    """Each page with its tables as they should be."""
    texts = {name: (root / name).read_text(encoding="utf-8") for name in PAGES}
    return {name: filled(text, PAGES[name]) for name, text in texts.items()}


def filled(text: str, language: Language) -> str:
    rows = {
        "errors": _errors(language),
        "endings": _endings(language),
        "metrics": [_metric(metric) for metric in exported()],
    }
    if {found["table"] for found in BLOCK.finditer(text)} != rows.keys():
        raise SystemExit("docs/contract*.md lacks a line <!-- make fix writes: ... -->, or its end")
    tables = {name: _table(HEADS[name, language], each) for name, each in rows.items()}
    return BLOCK.sub(lambda found: found["head"] + tables[found["table"]] + found["end"], text)


def _table(head: str, rows: list[str]) -> str:
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join(["", head, rule, *rows, "", ""])


def _errors(language: Language) -> list[str]:
    by_code: dict[str, type[ChatError]] = {}
    for kind in errors.kinds(ChatError):
        if hasattr(kind, "code"):
            by_code.setdefault(kind.code, kind)
    _complete(ERRORS, by_code)
    return [_error(kind, language) for kind in by_code.values()]


def _error(kind: type[ChatError], language: Language) -> str:
    # nobody without a valid key begins a turn
    ending = "–" if kind in (*errors.NO_TURN, errors.Unauthorized) else f"`{kind.ending}`"
    retryable = (YES if kind.retryable else NO)[language]
    when = getattr(ERRORS[kind.code], language)
    return f"| `{kind.code}` | {kind.status} | {retryable} | {ending} | {when} |"


def _endings(language: Language) -> list[str]:
    _complete(ENDINGS, get_args(Ending))
    return [f"| `{ending}` | {getattr(ENDINGS[ending], language)} |" for ending in get_args(Ending)]


def _metric(metric: ExportedMetric) -> str:
    labels = "; ".join(_label(name, values) for name, values in metric.labels.items())
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |"


def _label(name: str, values: Values) -> str:
    """With its values where they are few; endings and error codes have tables."""
    listed = ", ".join(f"`{value}`" for value in sorted(values or ()))
    return f"`{name}`: {listed}" if values and len(values) <= MOST_LISTED else f"`{name}`"


def _complete(texts: Collection[str], names: Collection[str]) -> None:
    if odd := set(texts) ^ set(names):
        listed = ", ".join(sorted(odd))
        raise SystemExit(f"tests/tools/contract_texts.py lacks, or should not have: {listed}")
