"""Chooses the LLM: the one in the environment, or else the small local one."""

import subprocess
import sys
from collections.abc import Mapping

from deploy import CannotStart
from service.llm.wire.address import parse
from service.llm.wire.proxies import proxy_for
from service.settings import llm_catalogue, names

LOCAL_MODEL = "smollm2-135m-instruct"
LOCAL_DEFAULTS = {
    # The model knows no Korean, and without this it answers in French about France.
    "SYSTEM_PROMPT": "You answer questions in clear, simple English.",
    # A small model may never stop.
    "MAX_OUTPUT_TOKENS": "1024",
}
# more than the other process gives itself
MOST_SECONDS = 6.0
NAMED_BY = ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL")


def needs_local_model(variables: Mapping[str, str]) -> bool:
    """Raises CannotStart if LLM_MODEL names a model that cannot be reached."""
    if any(variables.get(name, "").strip() for name in NAMED_BY):
        return False
    model = variables.get("LLM_MODEL", "").strip()
    if names.parse(model).provider != names.OPENAI:
        return False
    if model not in ("", LOCAL_MODEL):
        raise CannotStart(
            f"LLM_MODEL={model} needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server without a key; "
            "remove LLM_MODEL to run without a key"
        )
    return True


def address(variables: Mapping[str, str]) -> str:
    return variables.get("OPENAI_BASE_URL", "").strip() or llm_catalogue.OPENAI_BASE_URL


def is_reachable(variables: Mapping[str, str]) -> bool:
    """Whether something listens there. Behind a proxy, and for another provider, only the service can say."""
    provider = names.parse(variables.get("LLM_MODEL", "").strip()).provider
    server = parse(address(variables))
    if provider != names.OPENAI or proxy_for(server, variables) is not None:
        return True
    # in another process, because a resolver that hangs could not be left behind in this one
    command = [sys.executable, "-m", "deploy.local.reach", server.host, str(server.port)]
    try:
        asked = subprocess.run(command, start_new_session=True, check=False, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def with_local_model(variables: Mapping[str, str], base_url: str) -> dict[str, str]:
    missing = {name: value for name, value in LOCAL_DEFAULTS.items() if not variables.get(name)}
    return {
        **variables,
        **missing,
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "none-needed",
        "LLM_MODEL": LOCAL_MODEL,
        "LLM_MODELS": "",
    }
