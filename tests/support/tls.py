"""A certificate for 127.0.0.1 that is its own authority."""

import subprocess
from pathlib import Path


def self_signed(folder: Path) -> tuple[str, str]:
    """The paths of certificate and key, valid for two days."""
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
