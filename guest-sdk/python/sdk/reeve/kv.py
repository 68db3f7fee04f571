"""Values that outlive a call, kept by the host for this policy alone. Needs the grant `kv:use`; `kv:use max-bytes=…` sets the
quota over all keys and values (64 KiB when not said).

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List, Optional

from . import _bridge

_calls = _bridge.interface("reeve:kv/store", "store")


def get(key: str) -> Optional[bytes]:
    """The value of a key; none when it was never set. Keys are 1 to 256 bytes. Raises HostError."""
    return _calls("get", key)


def set(key: str, value: bytes) -> None:
    """Sets a value. Over the quota the call fails with `denied` and nothing changes. Raises HostError."""
    return _calls("set", key, value)


def delete(key: str) -> bool:
    """Removes a key; true when it was there. Raises HostError."""
    return _calls("delete", key)


def keys(prefix: str) -> List[str]:
    """Keys that begin with `prefix`, in byte order, at most 1000. Raises HostError."""
    return _calls("keys", prefix)
