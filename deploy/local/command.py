"""Runs one of the service's commands with the environment of `make run` and `make serve`.

python -m deploy.local.command keys list
"""

import os
import sys

from deploy import CannotStart
from deploy.local import environment


def main() -> None:
    # .env has been read already; flask would suggest installing python-dotenv
    variables = environment.load() | {"FLASK_APP": "service.commands", "FLASK_SKIP_DOTENV": "1"}
    os.execvpe(sys.executable, [sys.executable, "-m", "flask", *sys.argv[1:]], variables)


if __name__ == "__main__":
    try:
        main()
    except CannotStart as error:
        sys.exit(f"{error}.")
