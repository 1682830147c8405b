"""Writes the files that are generated, or parts of them.

python -m tests.tools.generated_files [--check]
"""

import argparse
import sys
from pathlib import Path

from deploy.local.environment import ROOT
from monitoring.dashboards import __main__ as dashboards
from tests.tools import contract_tables, nginx_files, settings_files


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it would")
    stale = outdated(ROOT)
    if parser.parse_args().check:
        sys.exit("\n".join(f"{name} is out of date: run make fix" for name in stale) or None)
    for name, text in stale.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")


def outdated(root: Path) -> dict[str, str]:
    """Each file that is not what its source says, with the text that it should have."""
    wanted = settings_files.expected(root) | contract_tables.expected(root)
    wanted |= nginx_files.expected() | _dashboards()
    return {name: text for name, text in wanted.items() if _read(root / name) != text}


def _dashboards() -> dict[str, str]:
    folder = dashboards.FOLDER.relative_to(ROOT)
    return {f"{folder}/{name}": text for name, text in dashboards.files().items()}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
