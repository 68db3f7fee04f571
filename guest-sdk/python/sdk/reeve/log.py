"""Lines for the daemon's log, marked with the policy's name. Bytes per call are limited (16 KiB by default)."""

from __future__ import annotations

from . import _bridge
from .contract import Level

_calls = _bridge.interface("reeve:log/log", "log")


def debug(message: str) -> None:
    """Every detail."""
    _calls("write", Level.DEBUG, message)


def info(message: str) -> None:
    """The normal course of things."""
    _calls("write", Level.INFO, message)


def warn(message: str) -> None:
    """Something an operator should look at."""
    _calls("write", Level.WARN, message)


def error(message: str) -> None:
    """Something failed."""
    _calls("write", Level.ERROR, message)
