"""`python -m tests.tools.audit`: looks every locked package up among known vulnerabilities.

Each lock is read as it is: nothing is installed or resolved. Exit code 1 if something is known of one of them, 2 if
nobody could be asked.
"""

import subprocess
import sys

from deploy.local.environment import ROOT
from tests.tools.lock import LOCKS

PIP_AUDIT = str(ROOT / ".venv/audit/bin/pip-audit")
# a package that it does not know at all was asked of a mirror
UNASKED = ("could not be audited", "ServiceError", "ConnectionError", "Max retries", "HTTPError")


def main() -> int:
    found = [audited(lock) for lock in LOCKS]
    return 2 if 2 in found else max(found)


def audited(lock: str) -> int:
    print(f"audit: {lock} ...", flush=True)
    done = subprocess.run(
        [PIP_AUDIT, "--requirement", lock, "--disable-pip", "--progress-spinner", "off"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if any(word in said for word in UNASKED):
        print("audit: the service that knows vulnerabilities cannot be reached", file=sys.stderr)
        return 2
    print(done.stdout + done.stderr, end="")
    return min(done.returncode, 1)


if __name__ == "__main__":
    sys.exit(main())
