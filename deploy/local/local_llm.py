"""A real language model on this machine, with OpenAI's API: llama.cpp's server on a free loopback port.

python -m deploy.local.local_llm [--host HOST] [--port PORT] [--threads COUNT] MODEL.gguf

Prints its address as the first line on standard output once it can answer.
"""

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xllamacpp

NAME = "smollm2-135m-instruct"
# The length it was trained on; with more, it produces nonsense.
CONTEXT_TOKENS = 8192
# Parallel answers share most of the work: four take twice as long as one.
PARALLEL_ANSWERS = 4
ERRORS_ONLY = 1


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0, the default: any free port")
    options.add_argument("model")
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = options.parse_args()
    # The server's threads are not Python's: with the default handler, a signal ends them at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # As the first process of a container, it would ignore signals without a handler.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = _start(given)
    print(server.listening_address, flush=True)
    while True:
        signal.pause()


def _start(given: argparse.Namespace) -> "xllamacpp.Server":
    # Threads that spin while waiting for each other take the cores from the service; and if the cores are shared with
    # anything else, they become five times slower. Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import xllamacpp  # noqa: PLC0415
    except ImportError as error:
        sys.exit(f"llama.cpp cannot be loaded: {error} (libgomp is Debian's package libgomp1).")
    parameters = xllamacpp.CommonParams()
    _set(parameters, given)
    return xllamacpp.Server(parameters)


def _set(parameters: "xllamacpp.CommonParams", given: argparse.Namespace) -> None:
    parameters.model.path = given.model
    parameters.model_alias = {NAME}
    parameters.hostnames = [given.host]
    parameters.port = given.port
    parameters.n_parallel = PARALLEL_ANSWERS
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL_ANSWERS
    parameters.cpuparams.n_threads = given.threads
    parameters.cpuparams_batch.n_threads = given.threads
    # It would cache up to 8 GiB of earlier prompts, which a model this small reads again in no time.
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.offline = True
    parameters.verbosity = ERRORS_ONLY


if __name__ == "__main__":
    main()
