"""The environment, read once. Settings are in catalogue.py, llm_catalogue.py and, for containers, containers.py."""

from service.settings.containers import Containers
from service.settings.environment import UnsafeSettings, load, load_for_commands
from service.settings.group import Group
from service.settings.model import SECRETS, Settings

__all__ = ["GROUPS", "NAMES", "Settings", "UnsafeSettings", "load", "load_for_commands"]

# in the order of the documentation
GROUPS: tuple[type[Group], ...] = (*Settings.__bases__, Containers)
# every variable that is a setting or names a secret's file
NAMES = frozenset(
    [name.upper() for group in GROUPS for name in group.model_fields]
    + [f"{name.upper()}_FILE" for name in SECRETS]
)
