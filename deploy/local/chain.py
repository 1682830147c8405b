"""Runs a chain of service/llm/chain.py once, with the model from the environment and `.env`, or a simulated one.

QUESTION=hi CHAIN=chat python -m deploy.local.chain
"""

import os
import sys

from deploy import CannotStart
from deploy.local import environment, upstream
from deploy.local.processes import ProcessEnded, Processes

# a free port
SIMULATOR = {"SIMULATOR_PORT": "0"}


def main() -> int:
    variables = environment.load()
    # as deploy/image/entrypoint.sh does for the service
    variables.setdefault("TIKTOKEN_CACHE_DIR", str(environment.VENV / "share/tiktoken"))
    if not upstream.needs_local_model(variables):
        os.execvpe(sys.executable, [sys.executable, "-m", "service.trial"], variables)
    with Processes() as processes:
        variables |= {
            "OPENAI_BASE_URL": _simulator(processes, variables),
            "LLM_MODEL": "gpt-4o-mini",
        }
        print(
            "chain: no OPENAI_API_KEY: your chain gets a simulated model, at the price of gpt-4o-mini"
        )
        trial = processes.start("the chain", [sys.executable, "-m", "service.trial"], variables)
        try:
            while True:
                processes.watch()
        except ProcessEnded as ended:
            if ended.process is not trial:
                raise CannotStart(str(ended)) from None
            return trial.popen.returncode


def _simulator(processes: Processes, variables: dict[str, str]) -> str:
    command = [sys.executable, "-m", "tests.simulator"]
    simulator = processes.start("the simulator", command, variables | SIMULATOR, read=True)
    # the simulator's first line ends with its address
    return simulator.output.readline().split()[-1]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotStart as error:
        sys.exit(f"chain: {error}.")
