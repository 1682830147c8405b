"""The same odd bytes to nginx and to gunicorn: what both accept they read alike, and nobody gets another one's answer.

FUZZ_CASES: how many are tried; FUZZ_SEED: other ones.
"""

import math
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bench.processes import memory_bytes
from tests.support.http_grammar import made
from tests.support.nginx import Nginx

CASES = int(os.environ.get("FUZZ_CASES", "500"))
SEED = int(os.environ.get("FUZZ_SEED", "17"))
AT_ONCE = 8
# what waits for more bytes is asked to go on without them
QUIET_SECONDS = 0.4
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
# 499: the service was slower than QUIET_SECONDS, and saw its caller end
OURS = {200, 400, 404, 405, 408, 411, 413, 414, 415, 421, 422, 429, 431, 499}


@pytest.fixture(scope="module")
def nginx(service):
    limits = {"CLIENT_MAX_STREAMS": 5000, "CLIENT_REQUESTS_PER_SECOND": 5000}
    with Nginx(f"127.0.0.1:{service.port}", **limits) as running:
        yield running


def answers(port, sent):
    """Status and id of each answer on one connection, and all that was said."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(sent)
        caller.settimeout(QUIET_SECONDS)
        try:
            while piece := caller.recv(65536):
                said += piece
        except TimeoutError:
            said += rest_of(caller)
        except OSError:
            pass
    return parsed(said), said


def rest_of(caller):
    caller.settimeout(20)
    said = b""
    try:
        caller.shutdown(socket.SHUT_WR)
        while piece := caller.recv(65536):
            said += piece
    except OSError:
        pass
    return said


def parsed(said):
    found = []
    for match in STATUS_LINE.finditer(said):
        head = said[match.start() :].partition(b"\r\n\r\n")[0]
        named = re.search(rb"\r\nx-request-id: (\S+)", head, re.IGNORECASE)
        found.append((int(match[1]), named[1].decode() if named else None))
    # an answer to Expect comes before the real one
    return [one for one in found if one[0] != 100]


def look(number, ports):
    fuzzed = made(number, SEED)
    outer, inner = (answers(port, fuzzed.bytes) for port in ports)
    return number, fuzzed, outer, inner


def complaints(number, fuzzed, outer, inner):
    for where, (found, said) in (("nginx", outer), ("gunicorn", inner)):
        yield from (f"{number}: {where} {what}" for what in wrong_with(fuzzed, found, said))
    (one, _), (other, _) = outer, inner
    both = accepts(one, fuzzed) and accepts(other, fuzzed)
    one, other = heard(one, fuzzed), heard(other, fuzzed)
    if both and one[1:] and other[1:] and one != other:
        yield f"{number}: read differently: {one} and {other}"


def wrong_with(fuzzed, found, said):
    behind = fuzzed.ids[1]
    for status, identity in found:
        if status not in OURS:
            yield f"says {status}: {said[:200]!r}"
        # a fuzzed byte may be one of the id's
        ours = (identity or "").startswith(("fuzzed-", "behind-"))
        if ours and identity.encode() not in fuzzed.bytes:
            yield f"gives the answer of {identity}"
    # whoever closes after the first says nothing of the second
    if accepts(found, fuzzed) and heard(found, fuzzed)[1:] not in ([], [(200, behind)]):
        yield f"accepts the first and reads the second as {found[1:]}"
    if b"<html" in said.lower() and b"content-type: text/html" not in said.lower():
        yield "answers in HTML"


def heard(found, fuzzed):
    """Without the last words of who answers before the body has come, finds it broken, and closes."""
    refuses = len(found) > 1 and found[-1][0] == 400 and found[-1][1] not in fuzzed.ids
    return found[:-1] if refuses else found


def accepts(found, fuzzed):
    return found[:1] == [(200, fuzzed.ids[0])]


def test_what_both_accept_they_read_alike(service, nginx, simulator):
    workers, ports = service.workers(), (nginx.port, service.port)
    assert service.chat()[0] == 200
    before, bugs = memory_bytes(workers), bug_count(service)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        tried = list(threads.map(lambda number: look(number, ports), range(CASES)))
    found = [complaint for one in tried for complaint in complaints(*one)]
    assert not found, "\n".join(found[:20])
    # whoever comes next is answered, and nothing is left of the others
    assert service.chat()[0] == 200
    assert nginx.request("GET", "/health")[0] == 200
    assert service.workers() == workers
    assert bug_count(service) == bugs
    service.until("chat_turns_in_flight", 0)
    assert all(math.isfinite(value) for value in service.metrics().values())
    assert turns_are_even(service)
    assert memory_bytes(workers) - before < 60_000_000
    # some of each: a grammar whose every request is refused shows nothing
    whole = sum(accepts(inner, fuzzed) for _, fuzzed, _, (inner, _) in tried)
    assert whole > CASES / 20


def bug_count(service):
    return len([event for event in service.events() if event["event"] == "bug"])


def turns_are_even(service):
    until = time.monotonic() + 10
    while service.metric("chat_turns_started_total") != service.metric("chat_turns_total"):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
