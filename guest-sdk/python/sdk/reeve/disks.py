"""The disks of the guest that a hook of migrations is asked about. What it says is part of the question: nothing is looked at when it is
called. Needs no grant.

Made of wit/ by the conformance tests.
"""

from __future__ import annotations

from typing import List

from . import _bridge
from .contract import MigratedDisk

_calls = _bridge.interface("reeve:migration/disks", "disks")


def list() -> List[MigratedDisk]:
    """The disks in the order of the document that the hook looks at, rewrites of policies before it included; those of a strategy are of
    the domain as it runs. Empty in hooks that are asked about no migration.
    """
    return _calls("list")
