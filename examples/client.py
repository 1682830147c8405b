"""Streams one answer: .venv/bin/python examples/client.py "What is the capital of France?" (needs httpx)."""

import json
import os
import sys

import httpx

if len(sys.argv) != 2:
    sys.exit('usage: client.py "your question"')
url = os.environ.get("CHAT_URL", "http://localhost:8000").rstrip("/") + "/chat/stream"
names = {"Authorization": "CHAT_API_KEY", "X-Session-ID": "CHAT_SESSION"}
headers = {header: os.environ[name] for header, name in names.items() if os.environ.get(name)}
if "Authorization" in headers:
    headers["Authorization"] = "Bearer " + headers["Authorization"]
body = {"question": sys.argv[1]}


def fail(error: dict) -> None:
    details = [f"\n  {each['field']}: {each['reason']}" for each in error.get("details", [])]
    sys.exit(f"{error['code']}: {error['message']}" + "".join(details))


try:
    with httpx.stream("POST", url, headers=headers, json=body, timeout=60) as response:
        if response.status_code != 200:
            fail(json.loads(response.read())["error"])
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event" or not line:
                event = value
            elif field == "data" and event == "token":
                print(json.loads(value)["text"], end="", flush=True)
            elif field == "data" and event == "restart":
                print("\n(interrupted; the answer starts again)")
            elif field == "data" and event == "done":
                cut = json.loads(value)["finish_reason"] == "length"
                print("\n(cut at the length limit)" if cut else "")
            elif field == "data" and event == "error":
                print()
                fail(json.loads(value))
except (httpx.HTTPError, ValueError) as error:
    sys.exit(f"The connection to {url} failed: {error}")
