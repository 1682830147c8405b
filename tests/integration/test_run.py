"""The launcher, as a person starts it."""

import http.client
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.launcher import Checkout, Launcher
from tests.support.service import free_port
from tests.support.simulator import directive

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def sentence(done):
    """What it said when it refused to start: one line, and no traceback."""
    assert done.returncode not in (0, None)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_help_starts_nothing(checkout):
    done = checkout.run("deploy.local.run", "--help")
    assert done.returncode == 0
    assert "OPENAI_API_KEY" in done.stdout


@pytest.mark.parametrize("module", ["deploy.local.run", "deploy.local.serve"])
@pytest.mark.parametrize(
    "broken",
    [
        f"OPENAI_API_KEY {KEY}",
        KEY,
        f"OPENAI_API_KEY='{KEY}",
        f'OPENAI_API_KEY="{KEY}" x',
        f"A={KEY}$x",
    ],
)
def test_a_broken_dotenv_is_told_by_line_and_never_shown(checkout, module, broken):
    checkout.write_dotenv(f"# a comment\n\nLOG_LEVEL=INFO\n{broken}\n")
    done = checkout.run(module)
    assert "line 4" in sentence(done)
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("module", ["deploy.local.run", "deploy.local.serve"])
@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_taken_port_is_named(checkout, module, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())} | {name: number}
        told = sentence(checkout.run(module, **ports))
    assert number in told
    assert name in told.split()


@pytest.mark.parametrize("module", ["deploy.local.run", "deploy.local.serve"])
@pytest.mark.parametrize("number", ["0", "65536", "http", "-1", "8000.5"])
def test_a_port_that_is_none_is_named(checkout, module, number):
    assert "METRICS_PORT" in sentence(
        checkout.run(module, PORT=str(free_port()), METRICS_PORT=number)
    )


@pytest.mark.parametrize("module", ["deploy.local.run", "deploy.local.serve"])
def test_a_name_in_dotenv_that_is_no_setting_is_warned_of(checkout, module):
    checkout.write_dotenv(
        f"MAX_TOKENS=5\nopenai_api_key={KEY}\nTAVILY_API_KEY={KEY}\n"
        "LOG_LEVEL=INFO\nREDIS_URL_FILE=\nSERVICE_MEMORY=2g\nCOMPOSE_PROFILES=tls\nHTTPS_PROXY=\n"
    )
    done = checkout.run(module, PORT=str(free_port()), METRICS_PORT="none")
    *warnings, refusal = done.stderr.splitlines()
    assert warnings == [
        "warning: .env: MAX_TOKENS is not a setting; did you mean MAX_OUTPUT_TOKENS?",
        "warning: .env: openai_api_key is not a setting; did you mean OPENAI_API_KEY?",
        "warning: .env: TAVILY_API_KEY is not a setting of this service; your code gets it unchanged",
    ]
    assert "METRICS_PORT" in refusal


def test_a_model_of_openai_without_a_key_is_refused(checkout):
    told = sentence(checkout.run("deploy.local.run", LLM_MODEL="gpt-4o-mini"))
    assert "OPENAI_API_KEY" in told
    assert "gpt-4o-mini" in told


def test_settings_that_cannot_be_used_end_in_their_own_sentence(checkout):
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    done = checkout.run(
        "deploy.local.run", OPENAI_API_KEY=KEY, IDLE_TIMEOUT_SECONDS="soon", **ports
    )
    assert done.returncode != 0
    assert "IDLE_TIMEOUT_SECONDS" in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_without_a_key_a_real_model_answers_until_sigterm(checkout):
    with Launcher(checkout) as launcher:
        assert sum(f"http://localhost:{launcher.port} " in line for line in launcher.lines()) == 1
        assert any("smollm2" in line and "English only" in line for line in launcher.lines())
        assert launcher.pid_of("local_llm")
        with launcher.stream("What is the capital of France?", temperature=0) as stream:
            assert "Paris" in stream.text()
        assert stream.whole
        launcher.signal(signal.SIGTERM)
        assert launcher.wait() == 0
        assert launcher.processes() == {}


def test_a_killed_launcher_leaves_nothing_behind(checkout):
    with Launcher(checkout) as launcher:
        assert len(launcher.processes()) >= 4
        launcher.signal(signal.SIGKILL)
        launcher.wait()
        launcher.wait_until_nothing_is_left()


@pytest.mark.parametrize(
    ("victim", "name"), [("local_llm", "language model"), ("gunicorn", "service")]
)
def test_when_one_process_dies_all_end_and_the_launcher_says_which(checkout, victim, name):
    with Launcher(checkout) as launcher:
        os.kill(launcher.pid_of(victim), signal.SIGKILL)
        assert launcher.wait() not in (0, None)
        assert launcher.processes() == {}
        last = launcher.lines()[-1]
    assert name in last
    assert "signal 9" in last


def test_sigterm_lets_a_running_answer_end(checkout, simulator):
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url) as launcher:
        with launcher.stream(directive(tokens=20, gap=0.1)) as stream:
            events = iter(stream)
            assert next(events).name == "start"
            launcher.signal(signal.SIGTERM)
            assert [event.name for event in events][-2:] == ["done", "message"]
            assert stream.whole
        assert launcher.wait() == 0


def test_ctrl_c_does_not_wait_for_answers(checkout, simulator):
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url) as launcher:
        with launcher.stream(directive(tokens=100_000, gap=0.1)) as stream:
            assert next(iter(stream)).name == "start"
            launcher.signal(signal.SIGINT)
            assert launcher.wait() == 0
        assert launcher.processes() == {}


def test_with_a_key_no_local_model_is_started_and_the_environment_wins(checkout, simulator):
    checkout.write_dotenv(
        f"OPENAI_API_KEY={KEY}\nLLM_MODEL=from-the-file\nLLM_MODELS=other # allowed too\n"
    )
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url, LLM_MODEL="sim") as launcher:
        assert "local_llm" not in " ".join(launcher.processes().values())
        with launcher.stream(directive(tokens=2)) as stream:
            assert stream.status == 200
        with launcher.stream(directive(tokens=2), model="other") as stream:
            assert stream.status == 200
        assert [request["model"] for request in simulator.requests()] == ["sim", "other"]
        assert KEY not in launcher.log.read_text()


def test_tracing_variables_do_not_reach_the_service(checkout, simulator):
    with Launcher(
        checkout,
        OPENAI_BASE_URL=simulator.base_url,
        LANGSMITH_TRACING="true",
        LANGCHAIN_API_KEY=KEY,
    ) as launcher:
        environment = Path(f"/proc/{launcher.pid_of('gunicorn')}/environ").read_bytes()
    names = {entry.partition(b"=")[0] for entry in environment.split(b"\0")}
    assert b"TIKTOKEN_CACHE_DIR" in names
    assert not {name for name in names if name.startswith((b"LANGSMITH_", b"LANGCHAIN_"))}


def test_metrics_of_an_earlier_start_are_gone(checkout, simulator, tmp_path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left behind")
    with Launcher(
        checkout, OPENAI_BASE_URL=simulator.base_url, PROMETHEUS_MULTIPROC_DIR=str(folder)
    ):
        assert not (folder / "counter_1.db").exists()
        assert list(folder.glob("*.db"))


def test_the_ready_line_names_model_and_address_without_its_secrets(checkout, simulator):
    host = simulator.base_url.removeprefix("http://")
    address = f"http://user:{KEY}@{host}?key={KEY}"
    with Launcher(checkout, OPENAI_BASE_URL=address, LLM_MODEL="sim") as launcher:
        lines = launcher.lines()
        assert f"run: ready, using sim at http://{host}." in lines
        assert KEY not in "".join(lines)


def test_the_ready_line_says_that_the_provider_could_not_be_reached(checkout):
    address = "http://127.0.0.1:9/v1"
    with Launcher(checkout, OPENAI_BASE_URL=address, LLM_MODEL="sim") as launcher:
        lines = launcher.lines()
        assert f"run: ready, but sim at {address} could not be reached (see above)." in lines
        assert f"run: ready, using sim at {address}." not in lines


def test_only_this_machine_reaches_it(checkout, simulator):
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url) as launcher:
        listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
        addresses = {line.split()[1] for line in listening if line.split()[3] == "0A"}
    for port in (launcher.port, launcher.metrics_port):
        assert [one for one in addresses if one.endswith(f":{port:04X}")] == [
            f"0100007F:{port:04X}"
        ]


def test_a_change_of_the_source_restarts_the_service_and_a_mistake_in_it_ends_nothing(
    checkout, simulator
):
    source = checkout.folder / "service/errors/caller.py"
    right = source.read_text()
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url) as launcher:
        source.write_text(right + "\nthis is no Python\n")
        launcher.wait_for_line("fix service/ and save")
        source.write_text(right)
        launcher.wait_for_line("ready again")
        with launcher.stream(directive(tokens=2)) as stream:
            assert stream.status == 200
        launcher.signal(signal.SIGTERM)
        assert launcher.wait() == 0


def test_after_ctrl_c_the_port_is_free_whoever_kept_a_connection(checkout, simulator):
    kept = []
    with Launcher(checkout, OPENAI_BASE_URL=simulator.base_url) as launcher:
        for _ in range(3):
            kept.append(http.client.HTTPConnection("127.0.0.1", launcher.port))
            kept[-1].request("GET", "/health")
            kept[-1].getresponse().read()
        launcher.signal(signal.SIGINT)
        assert launcher.wait() == 0
        with socket.create_server(("127.0.0.1", launcher.port)):
            pass
    for connection in kept:
        connection.close()
