"""The profile acme against a real ACME server: a first start, an issue, a renewal, and what goes wrong there."""

import json
import ssl
import subprocess

import pytest

from tests.support.callers import Callers, nobody_noticed
from tests.support.simulator import directive
from tests.support.stack import SIMULATED, WITHOUT_ALLOWANCE, eventually

DOMAIN = "chat.example.test"
STREAMS = 100
# longer than certbot takes on a busy machine
TOKENS, GAP_SECONDS = 80, 0.5
ACME = {
    "DOMAIN": DOMAIN,
    "ACME_EMAIL": "operator@example.test",
    "ACME_SERVER": "https://authority:14000/dir",
    "ACCESS": "open",
}


@pytest.fixture(scope="module")
def first_start(stack):
    """Before there is an authority: its containers are started by a test."""
    make_pair(stack.folder / "tests/stack/authority")
    stack.configure(**SIMULATED, **ACME)
    stack.exec(stack.containers("service")[0], *WITHOUT_ALLOWANCE)
    up = ("up", "--wait", "--build", "--no-deps")
    stack.compose("--profile", "acme", *up, "nginx-acme", "certbot")
    yield stack
    stack.compose("--profile", "*", "rm", "--stop", "--force", *(
        "nginx-acme", "certbot", "pebble", "authority"
    ))  # fmt: skip


@pytest.fixture(scope="module")
def with_authority(first_start):
    first_start.compose("--profile", "authority", "up", "--wait", "pebble", "authority")
    return first_start


@pytest.fixture(scope="module")
def issued(with_authority):
    return with_authority, renew(with_authority)


def make_pair(folder):
    """The authority's own, and what certbot trusts; it is another user than the clone's."""
    folder.chmod(0o755)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=authority"),
            *("-addext", "subjectAltName=DNS:authority,DNS:pebble"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
            *("-out", str(folder / "certificate.pem"), "-keyout", str(folder / "key.pem")),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "certificate.pem").chmod(0o644)


def renew(stack):
    return stack.compose(
        *("--profile", "acme", "exec", "-T", "certbot", "python3", "-m", "deploy.acme", "now"),
        check=False,
    )


def said(stack, name):
    container = stack.compose("--profile", "acme", "ps", "--quiet", name).stdout.strip()
    logs = stack.run("docker", "logs", container)
    return logs.stdout + logs.stderr


def door(stack):
    return stack.port("nginx-acme", 8443)


def served(stack):
    """Issuer and serial number of what a new connection gets."""
    pem = ssl.get_server_certificate(("127.0.0.1", door(stack)))
    shown = ("openssl", "x509", "-noout", "-issuer", "-serial")
    return subprocess.run(
        shown, input=pem, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def curl(url, *options):
    done = subprocess.run(
        ["curl", "--silent", "--insecure", "--max-time", "20", "--write-out", "%{http_code} %{redirect_url}",
         "--output", "/dev/null", *options, url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.split()


def test_a_first_start_without_an_authority_serves_with_a_certificate_of_its_own(first_start):
    eventually(
        lambda: "cannot be reached" in said(first_start, "certbot"),
        60,
        "certbot says what is wrong",
    )
    sentence = json.loads(said(first_start, "certbot").splitlines()[-1])["event"]
    assert sentence.startswith(f"no new certificate for {DOMAIN}: https://authority:14000/dir")
    assert "nginx serves the one it has, and the next attempt is in a minute" in sentence
    assert f"no certificate for {DOMAIN} yet" in said(first_start, "nginx-acme")
    assert "localhost" in served(first_start)[0]
    host = ("--header", f"Host: {DOMAIN}")
    assert curl(f"https://127.0.0.1:{door(first_start)}/health", *host) == ["200"]
    plain = first_start.port("nginx-acme", 8080)
    assert curl(f"http://127.0.0.1:{plain}/chat?a=1", *host) == [
        "308",
        f"https://{DOMAIN}/chat?a=1",
    ]
    assert curl(f"http://127.0.0.1:{plain}/.well-known/acme-challenge/x", *host) == ["404"]


def test_a_certificate_is_issued_and_served_without_a_restart(issued):
    stack, done = issued
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: "Pebble" in served(stack)[0], 30, "the authority's certificate")
    assert "nginx has a new certificate" in said(stack, "nginx-acme")


def test_no_answer_is_broken_by_a_renewal(issued, figures):
    stack, _ = issued
    before = eventually(lambda: "Pebble" in served(stack)[0] and served(stack), 30, "the first one")
    stack.simulator.reset()
    with Callers(door(stack), ssl._create_unverified_context()) as callers:
        streams = callers.stream(STREAMS, directive(tokens=TOKENS, gap=GAP_SECONDS))
        stack.simulator.wait(60, open=STREAMS)
        callers.trickle(directive(tokens=3), 0.1)
        assert renew(stack).returncode == 0
        eventually(lambda: served(stack) != before, 30, "the renewed certificate")
        assert stack.simulator.stats()["open"] >= STREAMS, "answers were over before the reload"
        short = callers.stop_trickle()
        long = [each.result(120) for each in streams]
    nobody_noticed(figures, "certificate renewed", (long, short), TOKENS)


def test_a_certificate_that_is_not_due_is_left_alone(issued):
    stack, _ = issued
    before = served(stack)
    stack.compose("--profile", "acme", "restart", "certbot")
    looked = (
        "import os; from deploy.acme import certbot as c; print(c.attempt(c.Wanted.of(os.environ)))"
    )
    asked = stack.compose(
        "--profile", "acme", "exec", "-T", "certbot", "python3", "-c", looked
    ).stdout
    assert asked.strip() == "False"
    assert served(stack) == before


def test_a_limit_of_the_authority_is_one_sentence_and_outlives_a_restart(issued):
    stack, _ = issued
    limited = "/tmp/limited"
    stack.compose("--profile", "*", "exec", "-T", "authority", "touch", limited)
    refused = renew(stack)
    assert refused.returncode == 1
    sentence = json.loads(refused.stdout)["event"]
    assert "too many certificates" in sentence
    assert "the next attempt is in 60 minutes" in sentence
    stack.compose("--profile", "acme", "restart", "certbot")
    eventually(
        lambda: '"the next attempt is in 60 minutes' in said(stack, "certbot"), 30, "it waits on"
    )
    assert "Pebble" in served(stack)[0]
    stack.compose("--profile", "*", "exec", "-T", "authority", "rm", limited)


@pytest.mark.parametrize(
    ("domain", "why"),
    [
        ("elsewhere.example.test", "is answered by another server"),
        ("nowhere.example.test", "nowhere.example.test"),
    ],
)
def test_a_challenge_that_fails_is_one_sentence(with_authority, domain, why):
    failed = with_authority.compose(
        *("--profile", "acme", "run", "--rm", "--no-deps", "-T", "certbot"),
        *("python3", "-m", "deploy.acme", "now"),
        check=False,
        DOMAIN=domain,
    )
    assert failed.returncode == 1
    lines = failed.stdout.splitlines()
    assert len(lines) == 1
    sentence = json.loads(lines[0])["event"]
    assert sentence.startswith(f"no new certificate for {domain}: ")
    assert why in sentence
    assert curl(f"https://127.0.0.1:{door(with_authority)}/health") == ["200"]


def test_without_a_domain_both_say_what_they_need(with_authority):
    for name in ("certbot", "nginx-acme"):
        refused = with_authority.compose(
            *("--profile", "acme", "run", "--rm", "--no-deps", "-T", name), check=False, DOMAIN=""
        )
        assert refused.returncode != 0
        assert "the profile acme needs DOMAIN and ACME_EMAIL" in refused.stdout + refused.stderr
