"""LiteLLM's SDK: each line of stdin is a call, each line of stdout its outcome, in the words of clients.mjs."""

import json
import os
import sys

# else it asks for the prices of every model at start
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.suppress_debug_info = True
litellm.telemetry = False


def ask(call, outcome):
    answer = litellm.completion(
        model=f"openai/{call['model']}",
        api_base=call["url"],
        api_key=call["key"],
        messages=call["messages"],
        stream=call["streams"],
        extra_headers=call.get("headers") or None,
        max_retries=call.get("retries", 0),
        **({"stream_options": {"include_usage": True}} if call["streams"] else {}),
    )
    for chunk in answer if call["streams"] else [answer]:
        read(chunk, outcome)


def read(chunk, outcome):
    for choice in chunk.choices:
        said = choice.delta if hasattr(choice, "delta") else choice.message
        outcome["text"] += said.content or ""
        outcome["finish"] = choice.finish_reason or outcome["finish"]
    if usage := getattr(chunk, "usage", None):
        outcome["usage"] = usage.total_tokens


def described(raised):
    return {
        "kind": type(raised).__name__,
        "status": getattr(raised, "status_code", None),
        "code": getattr(raised, "code", None),
        "message": str(raised),
    }


for line in sys.stdin:
    outcome = {"text": "", "finish": None, "usage": None, "error": None}
    try:
        ask(json.loads(line), outcome)
    except Exception as raised:  # noqa: BLE001 - whatever it raises is what is asked for
        outcome["error"] = described(raised)
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()
