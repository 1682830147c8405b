"""Setting up: which Python is taken, and when .venv is recreated. Nothing is downloaded here: the locks are empty."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.service import ROOT

PYTHON = os.path.realpath(sys.executable)
FITS = f'exec "{PYTHON}" "$@"'
MISSING = "exit 127"


def too(version):
    """A python3 of which all that matters is its version: it fails the question whether it fits."""
    return f'case "$*" in *ensurepip*) exit 1;; *) echo {version};; esac'


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "some.txt").write_text("# nothing\n")
    (folder / "more.txt").write_text("# nothing either\n")
    return folder


def set_up(checkout, *locks, variables=None, **pythons):
    """With the given programs in the place of each Python on PATH."""
    programs = checkout / "programs"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    bodies = {"python3": FITS} | dict.fromkeys(("python3.13", "python3.12", "python3.11"), MISSING)
    for name, body in (
        bodies | {name.replace("_", "."): body for name, body in pythons.items()}
    ).items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    return subprocess.run(
        ["sh", "deploy/local/setup.sh", *(locks or ("some.txt",)), ".venv/.stamp"],
        cwd=checkout,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"} | (variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.14"])
def test_a_python_that_does_not_fit_is_told_in_one_sentence(checkout, version):
    done = set_up(checkout, python3=too(version))
    assert done.returncode != 0
    assert version in done.stderr
    assert "3.11" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_python_is_told_in_one_sentence(checkout):
    done = set_up(checkout, python3=MISSING)
    assert done.returncode != 0
    assert "missing" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_without_venv_is_told_in_one_sentence(checkout):
    done = set_up(checkout, python3=too("3.12"))
    assert done.returncode != 0
    assert "ensurepip" in done.stderr
    assert "python3-venv" in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_python_is_taken_when_python3_does_not_fit(checkout):
    done = set_up(checkout, python3=too("3.9"), python3_12=FITS)
    assert done.returncode == 0, done.stderr
    assert (checkout / ".venv/.stamp").is_file()


def test_the_environment_is_made_anew_only_when_a_lock_changed(checkout):
    assert set_up(checkout).returncode == 0
    left_over = checkout / ".venv/left-over"
    left_over.touch()

    os.utime(checkout / "some.txt")
    assert set_up(checkout).stdout == ""
    assert left_over.exists()

    assert "more.txt" in set_up(checkout, "some.txt", "more.txt").stdout
    assert left_over.exists()

    (checkout / "some.txt").write_text("# nothing, still\n")
    assert "some.txt" in set_up(checkout).stdout
    assert not left_over.exists()


def test_a_package_that_the_lock_does_not_vouch_for_is_refused(checkout):
    (checkout / "some-1.0-py3-none-any.whl").write_bytes(b"what somebody put there")
    (checkout / "some.txt").write_text("./some-1.0-py3-none-any.whl\n")
    done = set_up(checkout)
    assert done.returncode != 0
    assert "hash" in done.stderr
    assert not (checkout / ".venv/.stamp").exists()
    assert "Traceback" not in done.stderr


def test_no_network_is_one_sentence(checkout):
    (checkout / "some.txt").write_text(f"nothing==1 --hash=sha256:{'0' * 64}\n")
    done = set_up(
        checkout, variables={"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    )
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "cannot be reached" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
