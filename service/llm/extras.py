"""Optional packages of other providers.

gunicorn's master checks for them, to refuse in one sentence; so nothing here may import one.
"""

from importlib.util import find_spec

# an extra's name, and the package it installs
EXTRAS = {
    "anthropic": ("anthropic", "langchain_anthropic"),
    "google_genai": ("google", "langchain_google_genai"),
    "ollama": ("ollama", "langchain_ollama"),
}


class MissingExtra(ValueError):
    """The package of a configured model's provider is not installed."""


def require(provider: str) -> None:
    """Raises MissingExtra, which says how to install it."""
    extra, package = EXTRAS.get(provider, ("", ""))
    if package and find_spec(package) is None:
        raise MissingExtra(
            f"{provider}: models need the package {package.replace('_', '-')}, which is not installed; set "
            f'EXTRAS="{extra}" (docker compose build --build-arg EXTRAS={extra}, or make run EXTRAS={extra})'
        )
