"""Starts the service in its container, with the local model if no other is configured.

python -m deploy.image.container
"""

import os
import sys
from pathlib import Path

from deploy import CannotStart
from deploy.local import upstream

ENTRYPOINT = Path(__file__).with_name("entrypoint.sh")
SECRET_FILES = ("OPENAI_API_KEY_FILE", "FALLBACK_API_KEY_FILE")


def main() -> None:
    variables = {name: value for name, value in os.environ.items() if not _is_empty(name, value)}
    if upstream.needs_local_model(variables):
        variables = upstream.with_local_model(variables, variables["LOCAL_LLM_URL"])
    os.execvpe("sh", ["sh", str(ENTRYPOINT)], variables)


def _is_empty(name: str, path: str) -> bool:
    """A secret that was not given is mounted as an empty file. If it cannot be read, the service explains that."""
    if name not in SECRET_FILES:
        return False
    try:
        return not Path(path).read_bytes().strip()
    except OSError:
        return False


if __name__ == "__main__":
    try:
        main()
    except CannotStart as error:
        sys.exit(f"The service cannot start: {error}.")
