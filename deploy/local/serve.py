"""Starts the service alone; its upstream is what the environment and `.env` say.

python -m deploy.serve
"""

import os
import sys

from deploy import environment


def main() -> None:
    variables = environment.load()
    environment.require_free_ports(variables)
    entrypoint = str(environment.ROOT / "deploy" / "entrypoint.sh")
    os.execvpe("sh", ["sh", entrypoint], variables)


if __name__ == "__main__":
    try:
        main()
    except environment.CannotStart as error:
        sys.exit(f"serve: {error}.")
