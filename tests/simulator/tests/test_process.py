"""`python -m tests.simulator` as a person or a test starts it."""

import http.client
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.server import Simulator
from tests.support.simulator import SimulatorProcess

ROOT = Path(__file__).resolve().parents[3]


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulator"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_taken_port_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(SIMULATOR_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"LLM simulator: port {port} on 127.0.0.1 is taken; set SIMULATOR_PORT to a free one.\n"
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"SIMULATOR_PORT": "http"},
        {"SIMULATOR_PORT": "70000"},
        {"SIMULATOR_HOST": "256.256.256.256", "SIMULATOR_PORT": "0"},
        {"SIMULATOR_TLS_CERT": "/nowhere", "SIMULATOR_PORT": "0"},
        {"SIMULATOR_TLS_CERT": "/nowhere", "SIMULATOR_TLS_KEY": "/nowhere"},
    ],
)
def test_unusable_environment_is_one_clear_sentence(environment: dict[str, str]) -> None:
    ended = run(**environment)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("LLM simulator: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_exit_code_0(number: int) -> None:
    simulator = SimulatorProcess()
    with socket.create_connection(("127.0.0.1", simulator.port)):
        os.kill(simulator.pid, number)
        assert simulator.exit_code() == 0
    simulator.stop()


def test_lack_of_file_descriptors_passes() -> None:
    with SimulatorProcess() as simulator:
        _, hard = resource.prlimit(simulator.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(simulator.pid, resource.RLIMIT_NOFILE, (20, hard))
        crowd = [socket.create_connection(("127.0.0.1", simulator.port)) for _ in range(40)]
        for sock in crowd:
            sock.close()
        assert simulator.wait(connections_open_max=0)["connections_accepted"] == 40


def test_in_a_thread_it_starts_and_stops() -> None:
    with Simulator() as simulator:
        connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=10)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 200
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", simulator.port))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    kind = ("-newkey", "rsa:2048", "-nodes", "-days", "1")
    command = ("openssl", "req", "-x509", *kind, *names, "-out", files[0], "-keyout", files[1])
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_tls(certificate: tuple[str, str]) -> None:
    files = {"tls_certificate": certificate[0], "tls_key": certificate[1]}
    context = ssl.create_default_context(cafile=certificate[0])
    with SimulatorProcess(**files) as simulator:
        assert simulator.base_url.startswith("https://")
        connection = http.client.HTTPSConnection("localhost", simulator.port, context=context)
        for question in ("x" * 200_000, "[sim tokens=300 chars=10000]", "[sim gap=0.01 tokens=3]"):
            body = f'{{"model":"sim","messages":[{{"role":"user","content":"{question}"}}],"stream":true}}'
            connection.request("POST", "/v1/chat/completions", body)
            assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
        connection.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            _handshake(simulator.port, ssl.create_default_context())
        stats = simulator.wait(connections_open_max=0)
        assert (stats["completed"], stats["tokens_written"]) == (3, 323)


def _handshake(port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        context.wrap_socket(sock, server_hostname="localhost"),
    ):
        pass
