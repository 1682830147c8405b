"""Lays out each nginx container's files as compose and the image would, and lets gixy look for what is unsafe in them.

python -m tests.tools.check_nginx
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from deploy.local.environment import ROOT

SERVICES = ("nginx", "nginx-tls")
INSIDE = "/etc/nginx/"
# tls.conf sets the header for all servers at once, where gixy does not look; a test of the stack sees it arrive
SKIPPED = "hsts_header"
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def main() -> int:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return max([_check(compose["services"][name]) for name in SERVICES])


def _check(service: dict[str, Any]) -> int:
    with tempfile.TemporaryDirectory() as made:
        files = Path(made)
        _lay_out(service["volumes"], files)
        _render(service["environment"], files)
        return subprocess.run(
            ["gixy", "--skips", SKIPPED, "nginx.conf"], cwd=files, check=False
        ).returncode


def _lay_out(volumes: list[str], files: Path) -> None:
    for volume in volumes:
        source, target, _ = volume.split(":")
        if not target.startswith(INSIDE):
            continue
        place = files / target.removeprefix(INSIDE)
        place.parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, place)


def _render(environment: dict[str, str], files: Path) -> None:
    """With compose's defaults."""
    values = {name: DEFAULT.sub(r"\1", value) for name, value in environment.items()}
    for template in (files / "templates").glob("*.template"):
        text = PLACEHOLDER.sub(lambda found: values[found[1]], template.read_text(encoding="utf-8"))
        (files / "conf.d" / template.stem).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
