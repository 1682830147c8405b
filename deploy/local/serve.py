"""`make serve`: starts only the service, with the model from the environment and `.env`.

python -m deploy.local.serve
"""

import os
import sys

from deploy import CannotStart
from deploy.local import environment


def main() -> None:
    variables = environment.load()
    environment.require_free_ports(variables)
    os.execvpe("sh", ["sh", str(environment.ENTRYPOINT)], variables)


if __name__ == "__main__":
    try:
        main()
    except CannotStart as error:
        sys.exit(f"serve: {error}.")
