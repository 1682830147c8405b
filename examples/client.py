"""Streams one answer: .venv/bin/python examples/client.py "What is the capital of France?" (needs httpx)."""

import json
import os
import sys

import httpx

if len(sys.argv) != 2:
    sys.exit('usage: client.py "your question"')
url = os.environ.get("CHAT_URL", "http://localhost:8000") + "/chat/stream"
key = os.environ.get("CHAT_API_KEY")
headers = {"Authorization": f"Bearer {key}"} if key else {}
body = {"question": sys.argv[1]}
try:
    with httpx.stream("POST", url, headers=headers, json=body, timeout=60) as response:
        if response.status_code != 200:
            sys.exit(json.loads(response.read())["error"]["message"])
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                event = value
            elif field == "data" and event == "token":
                print(json.loads(value)["text"], end="", flush=True)
            elif field == "data" and event == "restart":
                print("\n(interrupted; the answer starts again)")
            elif field == "data" and event == "error":
                sys.exit("\n" + json.loads(value)["message"])
    print()
except (httpx.HTTPError, ValueError) as error:
    sys.exit(f"The connection to {url} failed: {error}")
