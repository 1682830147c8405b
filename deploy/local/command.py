"""A command of the service at a terminal, with the environment that `make run` and `make serve` have.

python -m deploy.local.command keys list
"""

import os
import sys

from deploy import CannotStart
from deploy.local import environment


def main() -> None:
    # .env is read already; without python-dotenv flask would advise to install it
    variables = environment.load() | {"FLASK_APP": "service.commands", "FLASK_SKIP_DOTENV": "1"}
    os.execvpe(sys.executable, [sys.executable, "-m", "flask", *sys.argv[1:]], variables)


if __name__ == "__main__":
    try:
        main()
    except CannotStart as error:
        sys.exit(f"{error}.")
