"""One attempt at a certificate, by certbot."""

import fcntl
import os
import secrets
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import CannotStart
from deploy.acme.memory import replace

FOLDER = Path("/etc/letsencrypt")
# nginx has them, too
CHALLENGES = Path("/var/lib/acme/challenges")
HANDED_OVER = Path("/var/lib/acme/certificate.pem")
CHALLENGE_PATH = ".well-known/acme-challenge"
# the certificate's name at certbot, whatever domains it is for
LINEAGE = "chat"
ANSWER_SECONDS = 10
CHATTER = ("Ask for help", "Saving debug log", "Hint:", "Some challenges have failed")


class NotYet(Exception):
    """Why there is no new certificate. counted: the authority was asked, and limits how often it may be."""

    def __init__(self, sentence: str, *, counted: bool) -> None:
        super().__init__(sentence)
        self.counted = counted


@dataclass(frozen=True)
class Wanted:
    """The certificate, and who issues it."""

    domains: tuple[str, ...]
    email: str
    server: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Wanted":
        """Raises CannotStart."""
        domains = environment.get("DOMAIN", "").replace(",", " ").split()
        email = environment.get("ACME_EMAIL", "").strip()
        if not domains or not email:
            raise CannotStart(
                "the profile acme needs DOMAIN and ACME_EMAIL, in .env or the environment"
            )
        return cls(tuple(domains), email, environment["ACME_SERVER"])

    @property
    def names(self) -> str:
        return ", ".join(self.domains)

    @property
    def text(self) -> str:
        return f"{self.names} from {self.server}"


def attempt(wanted: Wanted, *, force: bool = False) -> bool:
    """Whether nginx gets a new one. Raises NotYet."""
    with (FOLDER / "attempt.lock").open("w") as lock:
        # certbot refuses to run twice at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        _require_authority(wanted.server)
        _require_way_in(wanted.domains[0])
        _run_certbot(wanted, force=force)
        return hand_over(FOLDER / "live" / LINEAGE)


def _require_authority(server: str) -> None:
    try:
        _fetch(server)
    except urllib.error.HTTPError as error:
        raise NotYet(f"{server} answers {error.code} {error.reason}", counted=True) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotYet(f"{server} cannot be reached ({reason})", counted=False) from None


def _require_way_in(domain: str) -> None:
    """Asks for a challenge as the authority will: another server's answer is a failure that costs nothing here.

    No answer means little: not every network leads a machine to its own public address.
    """
    token = secrets.token_urlsafe(16)
    place = CHALLENGES / CHALLENGE_PATH / token
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(token, encoding="utf-8")
    try:
        answer = _fetch(f"http://{domain}/{CHALLENGE_PATH}/{token}")
    except urllib.error.HTTPError:
        answer = b""
    except (OSError, ValueError):
        return
    finally:
        place.unlink(missing_ok=True)
    if answer != token.encode():
        raise NotYet(
            f"http://{domain}/{CHALLENGE_PATH}/ is answered by another server;"
            f" {domain} must lead to this machine, and its port 80 to nginx",
            counted=False,
        )


def _fetch(url: str) -> bytes:
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or None
    context = ssl.create_default_context(cafile=trusted)
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS, context=context) as answer:  # noqa: S310
        read: bytes = answer.read(65536)
    return read


def _run_certbot(wanted: Wanted, *, force: bool) -> None:
    command = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--no-eff-email"),
        *("--webroot", "--webroot-path", str(CHALLENGES), "--config-dir", str(FOLDER)),
        *("--work-dir", "/tmp/work", "--logs-dir", "/tmp/logs"),  # noqa: S108 - the container's
        *("--server", wanted.server, "--email", wanted.email),
        *("--cert-name", LINEAGE, "--renew-with-new-domains"),
        # else one that is not due yet stays
        "--force-renewal" if force else "--keep-until-expiring",
        *(part for domain in wanted.domains for part in ("--domain", domain)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotYet(explain(done.stdout + done.stderr), counted=True)


def explain(said: str) -> str:
    """The one line of certbot's that says what is wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(CHATTER)]
    details = [line.partition(":")[2].strip() for line in lines if line.startswith("Detail:")]
    if details:
        return details[0]
    telling = [line for line in lines if "rror" in line or "too many" in line]
    return (telling or lines or ["certbot failed and said nothing"])[-1].rstrip(".")


def hand_over(lineage: Path, target: Path = HANDED_OVER) -> bool:
    """Certificate and key as one file, so that nobody sees one without the other. False: it is there already."""
    names = ("fullchain.pem", "privkey.pem")
    pair = "".join((lineage / name).read_text(encoding="utf-8") for name in names)
    if target.exists() and target.read_text(encoding="utf-8") == pair:
        return False
    replace(target, pair)
    return True
