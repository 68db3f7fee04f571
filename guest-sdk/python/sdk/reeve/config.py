"""The policy's own configuration, which the operator writes and every call carries.

    @dataclass
    class Limits:
        memory_overcommit: float = 1.5
        host_reserve_mib: Optional[int] = None

    limits = parse_config(ctx, Limits)      # "memory-overcommit" in the configuration is limits.memory_overcommit

Every key has a default, a key nobody knows is an error, and so is a value of another type. Whole numbers (`int`) are 0 or
more.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Type, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ConfigError(Exception):
    """The operator's configuration does not fit the policy."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the policy's configuration is not valid: {what}")


def parse_config(ctx: Any, cls: Type[T]) -> T:
    """The configuration of a call as a dataclass of the policy's own. Raises ConfigError."""
    try:
        given = json.loads(ctx.config, object_pairs_hook=_no_repetition)
    except json.JSONDecodeError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(given, dict):
        raise ConfigError(f"expected an object, found {_shown(given)}")
    types = _types(cls)
    values = {}
    for key, value in given.items():
        field = key.replace("-", "_")
        if field not in types or "_" in key:
            known = [f"`{name.replace('_', '-')}`" for name in types]
            raise ConfigError(f"unknown field `{key}`, expected {'one of ' if len(known) > 1 else ''}{', '.join(known)}")
        if not _fits(value, types[field]):
            raise ConfigError(f"`{key}` takes {_expected(types[field])}, not {_shown(value)}")
        values[field] = float(value) if types[field] is float else value
    return cls(**values)


_KNOWN: Dict[type, Dict[str, Any]] = {}


def _types(cls: type) -> Dict[str, Any]:
    """Fields of a dataclass with their types; looked up once."""
    if cls not in _KNOWN:
        hints = get_type_hints(cls)
        _KNOWN[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _KNOWN[cls]


def _no_repetition(pairs: List[Any]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"duplicate field `{key}`")
        found[key] = value
    return found


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Union:
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(one, get_args(kind)[0]) for one in value)
    if kind is type(None):
        return value is None
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and value >= 0
    if kind is float:
        return isinstance(value, (int, float))
    if kind is str:
        return isinstance(value, str)
    raise TypeError(f"a configuration can't hold {kind}; it takes bool, int, float, str, List and Optional")


def _expected(kind: Any) -> str:
    if get_origin(kind) is Union:
        kinds = [_expected(one) for one in get_args(kind) if one is not type(None)]
        return ", or ".join([*kinds, "null"] if type(None) in get_args(kind) else kinds)
    if get_origin(kind) is list:
        return f"a list, each {_expected(get_args(kind)[0])}"
    return {bool: "true or false", int: "a whole number, 0 or more", float: "a number", str: "a text"}[kind]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= 60 else f"{text[:57]}..."


def warm(cls: Type[T]) -> Type[T]:
    """A decorator for the configuration's dataclass: its fields are looked up when the policy is built, not in each call."""
    _types(cls)
    return cls
