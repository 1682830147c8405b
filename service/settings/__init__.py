"""The environment, read once."""

from service.settings.model import (
    GRACEFUL_MARGIN_SECONDS,
    KOREAN_ASSISTANT,
    SECRETS,
    STOP_MARGIN_SECONDS,
    Settings,
    UnsafeSettings,
    load,
)

__all__ = [
    "GRACEFUL_MARGIN_SECONDS",
    "KOREAN_ASSISTANT",
    "SECRETS",
    "STOP_MARGIN_SECONDS",
    "Settings",
    "UnsafeSettings",
    "load",
]
