"""The front door with TLS: what it speaks, and how a renewed certificate gets in."""

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.simulator import directive
from tests.support.stack import eventually


@pytest.fixture(scope="module")
def with_tls(simulated):
    simulated.compose("--profile", "tls", "up", "--wait", "--no-deps", "nginx-tls")
    yield simulated
    simulated.compose("--profile", "tls", "rm", "--stop", "--force", "nginx-tls")


def curl(stack, path, *options):
    """A request by curl, which speaks HTTP/2: the headers and the body."""
    port = stack.port("nginx-tls", 8443)
    return subprocess.run(
        [
            *("curl", "--insecure", "--silent", "--include", "--max-time", "60", *options),
            f"https://127.0.0.1:{port}{path}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def certificate(stack):
    return ssl.get_server_certificate(("127.0.0.1", stack.port("nginx-tls", 8443)))


def make_certificate(folder, name):
    """A new self-signed pair: paths of certificate and key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
            *("-out", str(paths[0]), "-keyout", str(paths[1])),
        ],
        check=True,
        capture_output=True,
    )
    return str(paths[0]), str(paths[1])


def test_it_speaks_http_2_and_says_that_tls_is_to_stay(with_tls):
    answer = curl(with_tls, "/health", "--http2")
    assert answer.stdout.startswith("HTTP/2 200"), answer.stdout + answer.stderr
    assert "strict-transport-security: max-age=31536000" in answer.stdout
    # added beside, not instead: nginx's rule for blocks with headers of their own
    assert "x-request-id: " in answer.stdout
    assert answer.stdout.count("x-content-type-options: nosniff") == 1


def test_streams_and_refusals_pass(with_tls):
    asked = ("--header", "Content-Type: application/json", "--data", '{"question": "hi"}')
    streamed = curl(with_tls, "/chat/stream", "--no-buffer", *asked)
    assert "event: done" in streamed.stdout
    assert "strict-transport-security" in curl(with_tls, "/nowhere").stdout
    plain = subprocess.run(
        ["curl", "--silent", f"http://127.0.0.1:{with_tls.port('nginx-tls', 8443)}/health"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"invalid_request"' in plain.stdout


def test_old_tls_is_refused(with_tls):
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connected(with_tls, context) as connection:
        assert connection.version() == "TLSv1.2"
    old = ("s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect")
    refused = subprocess.run(
        ["openssl", *old, f"127.0.0.1:{with_tls.port('nginx-tls', 8443)}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0


def connected(stack, context):
    plain = socket.create_connection(("127.0.0.1", stack.port("nginx-tls", 8443)), timeout=30)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_a_renewed_certificate_gets_in_while_an_answer_goes_on(with_tls, tmp_path):
    before = certificate(with_tls)
    asked = ("--header", "Content-Type: application/json", "--data")
    question = f'{{"question": "{directive(tokens=60, gap=0.1)}"}}'
    answers = []
    reader = threading.Thread(
        target=lambda: answers.append(curl(with_tls, "/chat/stream", *asked, question))
    )
    with_tls.simulator.reset()
    reader.start()
    with_tls.simulator.wait(30, open=1)
    paths = make_certificate(tmp_path, "renewed")
    with_tls.run("deploy/tls.sh", *paths)
    expected = Path(paths[0]).read_text().split()
    eventually(lambda: certificate(with_tls).split() == expected, 30, "the new certificate")
    assert with_tls.simulator.stats()["open"] == 1, "the answer was over before the reload"
    assert before.split() != expected
    reader.join(60)
    assert "event: done" in answers[0].stdout
    assert answers[0].returncode == 0


def test_a_key_of_another_certificate_changes_nothing(with_tls, tmp_path):
    before = certificate(with_tls)
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    refused = with_tls.run("deploy/tls.sh", first[0], second[1], check=False)
    assert refused.returncode != 0
    assert "the key is not the one of the certificate" in refused.stderr
    assert certificate(with_tls) == before


def test_a_given_certificate_is_used_and_an_unreadable_one_is_explained(with_tls, tmp_path):
    paths = make_certificate(tmp_path, "given")
    given = {"TLS_CERT_FILE": paths[0], "TLS_KEY_FILE": paths[1]}
    up = ("--profile", "tls", "up", "--wait", "--no-deps", "nginx-tls")
    for path in paths:
        (tmp_path / path).chmod(0o644)
    with_tls.compose(*up, **given)
    assert certificate(with_tls).split() == Path(paths[0]).read_text().split()
    (tmp_path / paths[1]).chmod(0o600)
    refused = with_tls.compose(
        *("--profile", "tls", "run", "--rm", "--no-deps", "--no-TTY", "nginx-tls"),
        check=False,
        **given,
    )
    assert refused.returncode != 0
    assert (
        "TLS_KEY_FILE cannot be read: it belongs to uid 0 with mode 600, and nginx is uid 101"
        in (refused.stdout + refused.stderr)
    )
