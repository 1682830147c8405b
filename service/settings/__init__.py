"""The environment, read once. Every setting is in catalogue.py, or in containers.py if the service does not read it."""

from service.settings.catalogue import Group
from service.settings.containers import Containers
from service.settings.environment import UnsafeSettings, load
from service.settings.model import Settings

__all__ = ["GROUPS", "Settings", "UnsafeSettings", "load"]

# in the order of the documentation
GROUPS: tuple[type[Group], ...] = (*Settings.__bases__, Containers)
