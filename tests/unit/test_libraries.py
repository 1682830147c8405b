"""What is loaded before the fork: all that the app loads of others, and nothing that must not cross a fork."""

import json
import subprocess
import sys

from tests.support.service import ROOT

PRELOAD = """
import gc, json, os, socket, sys, threading
from service.web.worker import patch_master
patch_master()
from service import libraries
libraries.load()
gc.unfreeze()
before = set(sys.modules)
import greenlet
found = {
    "ignored": libraries.ignored,
    "threads": len(threading.enumerate()),
    "greenlets": sum(issubclass(type(one), greenlet.greenlet) and bool(one) for one in gc.get_objects()),
    "sockets": [one for one in os.listdir("/proc/self/fd") if is_socket(one)],
    "collects": gc.isenabled(),
}
import service.app, service.llm.chain
packages = lambda names: {name.partition(".")[0] for name in names}
found["later"] = sorted(packages(sys.modules) - packages(before) - sys.stdlib_module_names)
print(json.dumps(found))
"""
IS_SOCKET = """
def is_socket(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    except OSError:
        return False
"""


def preloaded() -> dict:
    done = subprocess.run(
        [sys.executable, "-c", IS_SOCKET + PRELOAD],
        cwd=ROOT,
        env={"LANGSMITH_API_KEY": "x", "LANGCHAIN_TRACING_V2": "true"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def test_nothing_is_begun_that_would_live_on_in_forks():
    found = preloaded()
    # the process's own
    assert found["greenlets"] <= 1
    assert (found["threads"], found["sockets"], found["collects"]) == (1, [], True)
    # what is not named is loaded by each worker for itself
    assert found["later"] == []
    assert sorted(found["ignored"]) == ["LANGCHAIN_TRACING_V2", "LANGSMITH_API_KEY"]
