"""The volumes of the pools that run. Subjects of every grant are pools: a function needs the grant that stands beside it, for the pool
that it names. Functions that read work in every hook; those that change something work in notify hooks, tuners and tasks only, and
go the way of every verb: guards are asked, the change is told to all who listen.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List

from . import _bridge
from .contract import Bytes, NewVolume, Volume

_calls = _bridge.interface("reeve:storage/volumes", "volumes")


def list(pool: str) -> List[Volume]:
    """All volumes of a pool by name, those that are being made among them. Needs `volume:read`. Raises HostError."""
    return _calls("list", pool)


def get(pool: str, name: str) -> Volume:
    """One volume, looked at now. Needs `volume:read`. Raises HostError."""
    return _calls("get", pool, name)


def create(pool: str, volume: NewVolume) -> Volume:
    """Makes a volume of zeroes. Needs `volume:create`; with `max-bytes` in that grant, all volumes of the pool together may have that
    capacity at most, the new one included. Raises HostError.
    """
    return _calls("create", pool, volume)


def copy(pool: str, source: str, name: str) -> Volume:
    """Makes a copy of a volume in the same pool, or an overlay's copy over the same image. It is seen when it is whole. Needs
    `volume:create` as `create` does, and `volume:download`. Raises HostError.
    """
    return _calls("copy", pool, source, name)


def resize(pool: str, name: str, capacity: Bytes, shrink: bool) -> Volume:
    """Gives a volume another capacity; a smaller one only with `shrink`, what is beyond the new end is lost. Needs `volume:change`; with
    `max-bytes` in that grant, all volumes of the pool together may have that capacity at most when it grows. Raises HostError.
    """
    return _calls("resize", pool, name, capacity, shrink)


def delete(pool: str, name: str) -> None:
    """Deletes a volume. Needs `volume:delete`. Raises HostError."""
    return _calls("delete", pool, name)


def read(pool: str, name: str, offset: int, length: int) -> bytes:
    """Reads what a volume holds from `offset` on, as it is stored: of a qcow2 image, the image. At most `length` bytes and at most 1 MiB;
    fewer at its end. Needs `volume:download`. Raises HostError.
    """
    return _calls("read", pool, name, offset, length)


def write(pool: str, name: str, offset: int, data: bytes) -> None:
    """Writes bytes, at most 1 MiB, into a volume from `offset` on, as they are stored; a raw volume does not grow by it. Needs
    `volume:change`. Raises HostError.
    """
    return _calls("write", pool, name, offset, data)
