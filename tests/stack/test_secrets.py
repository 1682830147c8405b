"""A key given as a file: used, and nowhere to be seen."""

import hashlib

import pytest

from tests.support.stack import SIMULATED

# what the container would start the service with
SHOW_UPSTREAM = """
import os
from deploy.image import container
def show(file, arguments, given):
    print(given.get("OPENAI_BASE_URL"), given["OPENAI_API_KEY"] == os.environ["OPENAI_API_KEY"])
os.execvpe = show
container.main()
"""
KEY = "sk-test-0123456789abcdef0123456789abcdef"


def write_key(stack, mode):
    path = stack.folder / "openai.key"
    path.write_text(f"{KEY}\n")
    path.chmod(mode)
    return "./openai.key"


@pytest.fixture(scope="module")
def with_key(stack):
    stack.configure(**SIMULATED)
    # nothing else is new: this alone has to make compose replace the service
    stack.configure(**SIMULATED, OPENAI_API_KEY_FILE=write_key(stack, 0o644))
    stack.simulator.reset()
    return stack


def test_the_key_reaches_the_llm_without_its_newline(with_key):
    assert with_key.ask("hi")[0] == 200
    expected = hashlib.sha256(f"Bearer {KEY}".encode()).hexdigest()
    sent = with_key.simulator.requests()[0]["authorization_sha256"]
    assert sent == expected[: len(sent)]


def test_the_key_is_in_no_layer_no_inspection_and_no_log(with_key, tmp_path):
    # errors, too: what a failing call says goes to the log
    assert with_key.ask("[sim fault=status status=401]")[0] == 502
    container = with_key.containers("service")[0]
    said = [
        with_key.run("docker", "inspect", container).stdout,
        with_key.run("docker", "history", "--no-trunc", "chat-service:test").stdout,
        with_key.compose("config").stdout,
    ]
    for service in ("service", "nginx"):
        logs = with_key.run("docker", "logs", with_key.containers(service)[0])
        said += [logs.stdout, logs.stderr]
    assert not [text for text in said if KEY in text]
    saved = tmp_path / "image.tar"
    with_key.run("docker", "save", "--output", str(saved), "chat-service:test")
    grep = with_key.run("grep", "--count", "--text", KEY, str(saved), check=False)
    assert grep.stdout.strip() == "0"
    saved.unlink()


def test_a_key_that_cannot_be_read_is_one_clear_sentence(with_key):
    write_key(with_key, 0o600)
    owner = (with_key.folder / "openai.key").stat().st_uid
    try:
        refused = with_key.compose("run", "--rm", "--no-deps", "--no-TTY", "service", check=False)
    finally:
        write_key(with_key, 0o644)
    assert refused.returncode != 0
    said = (refused.stdout + refused.stderr).strip().splitlines()
    assert said[-1] == (
        f"The service cannot start: OPENAI_API_KEY_FILE cannot be read: it belongs to uid {owner}"
        " with mode 600, and this process is uid 10001."
    )


def test_a_key_in_dotenv_works_too(stack):
    stack.configure(**SIMULATED, OPENAI_API_KEY=KEY)
    stack.simulator.reset()
    assert stack.ask("hi")[0] == 200
    assert stack.simulator.requests()[0]["authorization_sha256"] is not None


def test_an_openai_key_alone_switches_from_the_local_model_to_openai(stack):
    """Asked of the container's start alone: nobody here could reach OpenAI."""
    (stack.folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    said = stack.compose(
        *("run", "--rm", "--no-deps", "--no-TTY", "service", "python", "-c", SHOW_UPSTREAM)
    )
    assert said.stdout.strip() == "None True"
