"""A real language model on this machine, with OpenAI's API: llama.cpp's own server, on a free loopback port.

python -m deploy.local_llm [--host HOST] [--port PORT] [--threads COUNT] MODEL.gguf

Its first line on standard output is its address, printed when it can answer.
"""

import argparse
import os
import signal

import xllamacpp

NAME = "smollm2-135m-instruct"
# What the model was trained on; more would only bring nonsense.
CONTEXT_TOKENS = 8192
# Answers made side by side share most of the work: four take twice as long as one.
PARALLEL_ANSWERS = 4
ERRORS_ONLY = 1


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0, help="0, the default: any free port")
    options.add_argument("model")
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = options.parse_args()
    # The server's threads are not Python's: without Python's handler a signal ends them at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = xllamacpp.Server(_parameters(given))
    print(server.listening_address, flush=True)
    while True:
        signal.pause()


def _parameters(given: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = given.model
    parameters.model_alias = {NAME}
    parameters.hostnames = [given.host]
    parameters.port = given.port
    parameters.n_parallel = PARALLEL_ANSWERS
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL_ANSWERS
    parameters.cpuparams.n_threads = given.threads
    parameters.cpuparams_batch.n_threads = given.threads
    # It would keep up to 8 GiB of earlier prompts; a model this small reads them again faster than anybody notices.
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.offline = True
    parameters.verbosity = ERRORS_ONLY
    return parameters


if __name__ == "__main__":
    main()
