"""What a step may call, seen from outside: in its fields, and in what its functions refer to."""

import functools
import itertools
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

MOST_LEVELS = 10
# of a list or dictionary: a store's documents are many
MOST_ITEMS = 100


def reaches(step: Any, kinds: tuple[type, ...]) -> bool:
    """Whether the step has, or refers to, anything of these types. What a function creates itself is not seen."""
    level: list[Any] = [step]
    seen: dict[int, Any] = {}
    for _ in range(MOST_LEVELS):
        # a proxy's own class: what it stands for may not be there yet
        if any(issubclass(type(one), kinds) for one in level):
            return True
        seen |= {id(one): one for one in level}
        found = {id(held): held for one in level for held in _held_by(one)}
        level = [held for key, held in found.items() if key not in seen]
    return False


def _held_by(one: Any) -> Iterable[Any]:
    kind = type(one)
    if issubclass(kind, type | ModuleType):
        return ()
    if issubclass(kind, dict):
        return itertools.islice(one.values(), MOST_ITEMS)
    if issubclass(kind, list | tuple | set | frozenset):
        return itertools.islice(one, MOST_ITEMS)
    if kind is MethodType:
        return one.__self__, one.__func__
    if issubclass(kind, functools.partial):
        return one.func, one.args, one.keywords
    return _referred_to(one) if kind is FunctionType else _fields_of(one)


def _fields_of(one: Any) -> Iterable[Any]:
    try:
        return list(vars(one).values())
    except Exception:  # noqa: BLE001 - it has none, or is a proxy of what is not there
        return ()


def _referred_to(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            # not assigned yet
            continue
    yield function.__defaults__
    yield function.__kwdefaults__
    for name in set(_names_in(function.__code__)) & function.__globals__.keys():
        yield function.__globals__[name]


def _names_in(code: CodeType) -> Iterator[str]:
    """Those of functions inside of it, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
