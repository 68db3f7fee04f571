"""Calls into the host: the component's imports, or what a test made up (see `reeve.testing`)."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, Optional

#: What a test's host answers: "reeve:node/host" to "get_info" to a function. None in a component.
fake: Optional[Dict[str, Dict[str, Callable[..., Any]]]] = None


class HostError(Exception):
    """The host answered with an error; `code` is a `reeve.Code`, which is what to match on."""

    def __init__(self, code: Any, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def interface(path: str, module: str) -> Callable[..., Any]:
    """A function that calls the functions of one interface, e.g. `reeve:node/host`."""
    try:
        imported = importlib.import_module(f"wit_world.imports.{module}")
        failed = importlib.import_module("componentize_py_types").Err
    except ImportError:
        imported, failed = None, ()

    def call(function: str, *values: Any) -> Any:
        if imported is None:
            return _ask_fake(path, function, values)
        try:
            return getattr(imported, function)(*values)
        except failed as error:
            raise HostError(error.value.code, error.value.message) from None

    return call


def _ask_fake(path: str, function: str, values: tuple) -> Any:
    if fake is None:
        raise RuntimeError(f"{path} is not imported; policy.toml must want the grant that {function} needs")
    answer = fake.get(path, {}).get(function)
    if answer is None:
        raise RuntimeError(f"the test's host has no {path}.{function}; make one with testing.host()")
    return answer(*values)
