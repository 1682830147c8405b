"""Runs every checker, even after one has failed, and reports which failed.

python -m tests.tools.check
"""

import os
import subprocess
import sys
import time

from deploy.local.environment import ROOT, VENV


def main() -> int:
    environment = os.environ | {"PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    failed = [
        name for name, command in _checks().items() if not _passes(name, command, environment)
    ]
    print(f"check: {', '.join(failed)} failed." if failed else "check: all passed.")
    return 1 if failed else 0


def _checks() -> dict[str, list[str]]:
    checks = {
        "format": ["ruff", "format", "--check", "--quiet"],
        "lint": ["ruff", "check", "--quiet"],
        "types": ["python", "-m", "mypy", "--no-error-summary"],
        "import rules": ["lint-imports", "--no-logo"],
    }
    if scripts := _tracked("*.sh", ".ci/run"):
        checks["scripts"] = ["shellcheck", *scripts]
    if yaml := _tracked("*.yml", "*.yaml"):
        checks["yaml"] = ["yamllint", "--strict", *yaml]
    checks["generated files"] = ["python", "-m", "tests.tools.generated_files", "--check"]
    checks["Dockerfile"] = ["hadolint", "Dockerfile"]
    checks["memory"] = ["python", "-m", "tests.tools.check_memory"]
    checks["nginx"] = ["python", "-m", "tests.tools.check_nginx"]
    return checks


def _tracked(*patterns: str) -> list[str]:
    """Files that git knows, or would: new ones are checked before they are added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def _passes(name: str, command: list[str], environment: dict[str, str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.stdout.write(done.stdout)
    verdict = "FAILED" if done.returncode else "ok"
    print(f"check: {name}: {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
