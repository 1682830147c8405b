"""What a chain costs without a service: `chain.stream` in a loop, as many at once as the row says, in one process.

echo '{"question": …, "streams": 32, "at_once": 8}' | python -m tests.bench.chain_alone

Says `ready` when it is warm, begins at the next line of its input, and says `done`.
"""

import json
import sys

from gevent import monkey

monkey.patch_all()

from gevent.pool import Pool  # noqa: E402
from langchain_core.runnables import RunnableLambda  # noqa: E402

from tests.bench.stock_app import chain  # noqa: E402


def main() -> None:
    order = json.loads(sys.stdin.readline())
    steps = RunnableLambda(lambda asked: asked) | chain

    def one(question: str) -> None:
        for _ in steps.stream({"question": question}):
            pass

    one("hi")
    print("ready", flush=True)
    sys.stdin.readline()
    crowd = Pool(order["at_once"])
    for _ in range(order["streams"]):
        crowd.spawn(one, order["question"])
    crowd.join(raise_error=True)
    print("done", flush=True)
    # its threads are looked at until then
    sys.stdin.readline()


if __name__ == "__main__":
    main()
