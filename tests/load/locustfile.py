"""Callers of the chat service: each asks, reads the stream to its end, thinks, and asks again.

locust --locustfile tests/load/locustfile.py --host http://localhost:8080
"""

import json
from typing import Any

from locust import FastHttpUser, between, task

QUESTION = "What is the capital of France?"


class Caller(FastHttpUser):
    wait_time = between(1, 3)

    @task(4)
    def stream(self) -> None:
        with self._post("/chat/stream", stream=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif (last := _last_event(response)) != "done":
                # a 200 alone is no answer: one that was cut, or that failed on the way, has it too
                response.failure(f"ended by {last}")

    @task(1)
    def ask(self) -> None:
        with self._post("/chat") as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")

    def _post(self, path: str, **options: Any) -> Any:
        return self.client.post(path, json={"question": QUESTION}, catch_response=True, **options)


def _last_event(response: Any) -> str:
    """done, an error's code, or cut."""
    ending, name = "cut", ""
    for line in response.iter_lines(decode_unicode=True):
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data" and name == "done":
            ending = "done"
        elif field == "data" and name == "error":
            ending = json.loads(value)["code"]
        if not line:
            name = ""
    return ending
