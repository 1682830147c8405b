"""Regenerates the hash-locked requirements from pyproject.toml.

python -m tests.tools.lock [--upgrade]

Versions stay as they are unless pyproject.toml or --upgrade asks for others. One lock serves every platform and Python
that the project supports. It names no index: the installer decides where files come from, the hashes decide which.
"""

import subprocess
import sys

from deploy.local.environment import ROOT

COMPILE = (
    *(sys.executable, "-m", "uv", "pip", "compile"),
    *("--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *(
        "--no-config",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--custom-compile-command",
        "make lock",
    ),
)

# In this order: what is installed together must agree, so each lock is bound by those before it.
LOCKS = {
    "requirements.txt": ["pyproject.toml"],
    "requirements-llm.txt": ["--group", "llm", "--constraint", "requirements.txt"],
    "requirements-load.txt": ["--group", "load", "--constraint", "requirements.txt"],
    # a client's environment has nothing of the service's
    "requirements-clients.txt": ["--group", "clients"],
    "requirements-audit.txt": ["--group", "audit", "--constraint", "requirements.txt"],
    **{
        f"requirements-{extra}.txt": ["--group", extra, "--constraint", "requirements.txt"]
        for extra in ("anthropic", "google", "ollama")
    },
    "requirements-dev.txt": [
        *("--group", "dev"),
        *("--constraint", "requirements.txt", "--constraint", "requirements-llm.txt"),
    ],
    "requirements-kubernetes.txt": ["--group", "kubernetes"],
    "requirements-data.txt": ["--group", "data", "--no-deps"],
}


def main(flags: list[str]) -> None:
    for lock, sources in LOCKS.items():
        print(f"lock: {lock} ...", flush=True)
        subprocess.run([*COMPILE, *sources, *flags, "--output-file", lock], cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
