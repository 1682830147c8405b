"""The lines of docs/openai.md, run as they stand, and the requests of Open WebUI, too large to install here."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.simulator.tokens import answer_text
from tests.support import openai_clients
from tests.support.service import ROOT, Service
from tests.support.simulator import SimulatorProcess, directive

PAGES = ("docs/openai.md", "docs/openai.ko.md")
SERVICE = "http://localhost:8000"
ANSWER = answer_text(20)
# llm is installed already
INSTALLS = "pipx install llm\n"


@pytest.fixture(scope="module")
def service():
    with SimulatorProcess() as simulator, Service(simulator.base_url) as running:
        yield running


def lines(page, title):
    """The first block of code below this title."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"## {title}\n")[1]
    return re.search(r"```\w+\n(.*?)```", section, re.DOTALL)[1]


def run(command, **environment):
    return subprocess.run(
        command,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_lines_for_python_print_the_answer(service, page):
    program = lines(page, "openai-python")
    assert SERVICE in program
    done = run([sys.executable, "-c", program.replace(SERVICE, service.url)])
    assert (done.stdout, done.stderr) == (ANSWER, "")


@pytest.fixture
def llm_environment(tmp_path):
    openai_clients.require()
    binaries = openai_clients.ENVIRONMENT / "bin"
    return {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "LLM_USER_PATH": str(tmp_path),
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_lines_for_llm_print_the_answer(service, llm_environment, page):
    script = lines(page, "llm")
    assert SERVICE in script
    assert INSTALLS in script
    script = script.replace(INSTALLS, "").replace(SERVICE, service.url)
    done = run(["sh", "-c", script], **llm_environment)
    assert (done.stdout.strip(), done.stderr) == (ANSWER, "")


@pytest.mark.parametrize(("flags", "is_whole"), [((), False), (("--no-stream",), True)])
def test_llm_fails_where_the_answer_does(service, llm_environment, tmp_path, flags, is_whole):
    """Where it asks for the whole answer, that starts over unseen."""
    model = {"model_id": "my-chain", "model_name": "chat", "api_base": f"{service.url}/v1"}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))
    question = directive(fault="cut", times=1, key=str(flags))
    done = run(["llm", "-m", "my-chain", *flags, question], **llm_environment)
    assert (done.returncode == 0) == is_whole
    assert is_whole or "The language model failed" in done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_open_webui_finds_the_models_and_has_a_conversation(service, page):
    """As its backend asks: the list, an answer, and a title for the conversation."""
    settings = dict(re.findall(r"--env (\w+)=(\S+)", lines(page, "Open WebUI")))
    base = settings["OPENAI_API_BASE_URL"]
    host = re.fullmatch(r"http://(\S+):8000/v1", base)[1]
    headers = {
        "Host": host,
        "Authorization": f"Bearer {settings['OPENAI_API_KEY']}",
        "X-OpenWebUI-User-Name": "Kim",
        "X-OpenWebUI-User-Id": "4c9f1f3e-4f3d-44e5-a5a7-3c1d8c8d3c39",
        "X-OpenWebUI-Chat-Id": "c1",
    }
    status, _, body = service.request("GET", "/v1/models", headers=headers)
    model = json.loads(body)["data"][0]["id"]
    question = [
        {"role": "system", "content": "User Context:\n\nbe kind"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    asked = {"stream": True, "model": model, "messages": question}
    status, _, streamed = service.request("POST", *posted(asked, headers))
    assert status == 200
    frames = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith(b"data: {")]
    texts = [choice["delta"].get("content", "") for each in frames for choice in each["choices"]]
    assert "".join(texts) == ANSWER
    title = {
        "model": model,
        "messages": [*question, {"role": "assistant", "content": ANSWER}, question[-1]],
        "stream": False,
        "max_completion_tokens": 1000,
    }
    status, _, whole = service.request("POST", *posted(title, headers))
    assert json.loads(whole)["choices"][0]["message"]["content"] == ANSWER


def posted(body, headers):
    content = {"Content-Type": "application/json"}
    return "/v1/chat/completions", json.dumps(body), headers | content
