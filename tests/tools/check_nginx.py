"""Lays out each nginx container's files as compose and the image would, and lets gixy look for what is unsafe in them.

python -m tests.tools.check_nginx
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from deploy.local.environment import ROOT

SERVICES = ("nginx", "nginx-tls", "nginx-acme")
SKIPPED = (
    # tls.conf sets it for all servers at once, where gixy does not look; a test of the stack sees it arrive
    "hsts_header",
    # of a file that does not exist, for refusals only
    "try_files_is_evil_too",
    # of this machine's hard limit
    "worker_rlimit_nofile_vs_connections",
)
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
# of the image
FOLDERS = {"PAGE_FOLDER": "/usr/share/chat", "TEMPORARY_FOLDER": "/tmp"}


def main() -> int:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return max([_check(compose["services"][name]["environment"]) for name in SERVICES])


def _check(environment: dict[str, str]) -> int:
    with tempfile.TemporaryDirectory() as made:
        files = Path(made, "nginx")
        _lay_out(files, environment)
        return subprocess.run(
            ["gixy", "--skips", ",".join(SKIPPED), "nginx.conf"], cwd=files, check=False
        ).returncode


def _lay_out(files: Path, environment: dict[str, str]) -> None:
    """With compose's defaults."""
    shutil.copytree(ROOT / "nginx", files)
    made = files / "conf.d"
    made.mkdir()
    values = FOLDERS | {name: DEFAULT.sub(r"\1", value) for name, value in environment.items()}
    for template in (files / "templates").glob("*.template"):
        text = PLACEHOLDER.sub(lambda found: values[found[1]], template.read_text(encoding="utf-8"))
        (made / template.stem).write_text(text, encoding="utf-8")
    configure = ["sh", str(files / "configure.sh"), str(made)]
    subprocess.run(configure, env=os.environ | values, check=True)


if __name__ == "__main__":
    sys.exit(main())
