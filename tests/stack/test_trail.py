"""The runbook's commands, as they stand there: what became of a request, and what a user cost."""

import http.client
import json
import re
import urllib.request
import uuid

import pytest

from tests.support.simulator import directive
from tests.support.stack import eventually

RUNBOOKS = {
    "monitoring/runbook.md": "Everything about one request",
    "monitoring/runbook.ko.md": "요청 하나의 모든 기록",
}


def commands(stack, runbook):
    """Those of the section about one request."""
    text = (stack.folder / runbook).read_text(encoding="utf-8")
    section = text.partition(f"## {RUNBOOKS[runbook]}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def ask(stack, question, request_id, user_id):
    connection = http.client.HTTPConnection("127.0.0.1", stack.front_door, timeout=60)
    headers = {
        "Content-Type": "application/json",
        "X-Request-ID": request_id,
        "X-User-ID": user_id,
    }
    connection.request("POST", "/chat", json.dumps({"question": question}), headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_the_trail_of_a_request_and_the_bill_of_a_user(simulated, runbook):
    simulated.simulator.reset()
    request_id, user_id = f"trail-{uuid.uuid4().hex}", f"user-{uuid.uuid4().hex}"
    assert ask(simulated, directive(tokens=7), request_id, user_id) == 200
    assert ask(simulated, directive(fault="500"), f"{request_id}-b", user_id) == 502
    of_request, of_user = commands(simulated, runbook)

    def run(command):
        return simulated.run("sh", "-c", command, check=False).stdout

    of_request = of_request.replace("THE-ID", request_id)
    lines = eventually(
        lambda: (said := run(of_request).splitlines()) and len(said) >= 2 and said,
        20,
        "both lines are in the logs",
    )
    events = {line["event"]: line for line in map(json.loads, lines)}
    assert set(events) == {"request", "turn"}
    assert events["request"]["status"] == 200
    assert events["turn"]["ending"] == "completed"
    assert events["turn"]["attempts"][0]["output_tokens"] == 7

    of_user = of_user.replace("THE-USER", user_id)
    bill = eventually(
        lambda: (told := json.loads(run(of_user) or "{}")).get("turns") == 2 and told,
        20,
        "both turns are in the log",
    )
    turn = events["turn"]
    assert bill["tokens"] == turn["input_tokens"] + turn["output_tokens"]
    upstream = simulated.simulator.requests()
    sent_ids = {sent["headers"]["x-request-id"] for sent in upstream}
    assert events["turn"]["attempts"][0]["id"] in sent_ids


def test_what_alerts_link_to_can_be_read(simulated):
    rules = urllib.request.urlopen(f"{prometheus(simulated)}/api/v1/rules", timeout=10)
    links = {
        rule["annotations"]["runbook_url"]
        for group in json.load(rules)["data"]["groups"]
        for rule in group["rules"]
        if rule["type"] == "alerting"
    }
    assert links
    config = (simulated.folder / "monitoring/prometheus/prometheus.yml").read_text()
    address = re.search(r"^    runbook: (\S+)$", config, re.MULTILINE)[1]
    shipped = address.replace("http://localhost:9090", prometheus(simulated))
    with urllib.request.urlopen(shipped, timeout=10) as page:
        assert page.headers.get_content_type().startswith("text/")
        headings = re.findall(r"^## (\w+)$", page.read().decode(), re.MULTILINE)
    assert {link.partition("#")[2] for link in links} <= {name.lower() for name in headings}


def prometheus(stack):
    return f"http://127.0.0.1:{stack.port('prometheus', 9090)}"
