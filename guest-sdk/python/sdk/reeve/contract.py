"""The types of the contract, made of wit/ by the conformance tests.

Natively, in tests and editors, they are the classes below. In a component the host's own classes of the same names and
fields take their place.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import List, Optional, Protocol, Tuple, Union


# reeve:types/errors


class Code(Enum):
    """Stable kinds of error, the same as those of the HTTP API. Match on these, never on the message."""

    #: The named object does not exist.
    NOT_FOUND = auto()
    #: An object with this name or UUID exists already.
    ALREADY_EXISTS = auto()
    #: The policy was not granted this, or a guard said no.
    DENIED = auto()
    #: The request or document is wrong in itself.
    INVALID = auto()
    #: The object is in a state in which this cannot be done.
    WRONG_STATE = auto()
    #: Another operation holds the object.
    BUSY = auto()
    #: This host, driver or version cannot do this.
    UNSUPPORTED = auto()
    #: A deadline passed before the answer came.
    DEADLINE = auto()
    #: A fault of the host itself.
    INTERNAL = auto()


@dataclass
class Error:
    """What went wrong, in a sentence that names the subject."""

    code: Code
    #: One sentence, UTF-8, at most 4096 bytes.
    message: str


# reeve:types/units

Bytes = int

Timestamp = int

Uuid = str


# reeve:types/policy


@dataclass
class Actor_Client:
    """A client of the API, by its user id."""

    value: int


@dataclass
class Actor_Policy:
    """Another policy, by name."""

    value: str


@dataclass
class Actor_Daemon:
    """The daemon itself: autostart, recovery, crash handling."""


#: Who caused the call.
Actor = Union[
    Actor_Client,
    Actor_Policy,
    Actor_Daemon,
]


@dataclass
class Context:
    """The circumstances of one call."""

    #: Identifies this call in the decision log and in traces; unique per daemon.
    call_id: str
    #: When the verb began. The same for every policy of a chain.
    time: Timestamp
    #: On whose behalf the verb runs.
    actor: Actor
    #: The policy's own configuration, as JSON text; `{}` when the operator gave none.
    config: str
    #: 1 for the first call for this event; higher when a notify hook is tried again.
    attempt: int


@dataclass
class DiskCache:
    """Argument of `set-disk-cache`."""

    #: Target of the disk, e.g. `vda`.
    target: str
    #: `none`, `writethrough`, `writeback`, `directsync` or `unsafe`.
    cache: str


@dataclass
class InterfaceSource:
    """Argument of `set-interface-source`."""

    #: MAC address of the interface, lower case with colons.
    mac: str
    #: Attribute of `<source>`, e.g. `bridge` or `network`.
    attribute: str
    #: Its new value.
    value: str


@dataclass
class Edit_SetMemory:
    """Maximum memory in bytes; current memory is lowered to it when above."""

    value: Bytes


@dataclass
class Edit_SetCurrentMemory:
    """Current memory in bytes, at most the maximum."""

    value: Bytes


@dataclass
class Edit_SetVcpus:
    """Maximum vCPUs, at least 1; `current` is lowered to it when above."""

    value: int


@dataclass
class Edit_SetCpuShares:
    """CPU weight (`<cputune><shares>`)."""

    value: int


@dataclass
class Edit_SetDiskCache:
    """Cache mode of a disk."""

    value: DiskCache


@dataclass
class Edit_SetInterfaceSource:
    """One attribute of an interface's `<source>`."""

    value: InterfaceSource


@dataclass
class Edit_SetTitle:
    """Title, one line; empty removes it."""

    value: str


@dataclass
class Edit_SetCmdline:
    """Kernel command line."""

    value: str


@dataclass
class Edit_SetMetadata:
    """One application's child of `<metadata>` as XML text; it replaces a child with the same namespace."""

    value: str


@dataclass
class Edit_AddDevice:
    """A new device, as XML text of its element."""

    value: str


@dataclass
class Edit_RemoveDevice:
    """Takes a device out, by its alias or by the target of a disk or interface."""

    value: str


@dataclass
class Edit_Replace:
    """The whole document as XML text; name and UUID must stay."""

    value: str


#: One change to a domain document. The host applies it to the effective configuration, validates the result as if an
#: operator had written it, and checks that every changed path lies within the policy's `domain:rewrite` grant.
Edit = Union[
    Edit_SetMemory,
    Edit_SetCurrentMemory,
    Edit_SetVcpus,
    Edit_SetCpuShares,
    Edit_SetDiskCache,
    Edit_SetInterfaceSource,
    Edit_SetTitle,
    Edit_SetCmdline,
    Edit_SetMetadata,
    Edit_AddDevice,
    Edit_RemoveDevice,
    Edit_Replace,
]


@dataclass
class Verdict_Allow:
    """No objection."""


@dataclass
class Verdict_Deny:
    """Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept)."""

    value: str


@dataclass
class Verdict_Rewrite:
    """Go on, with these changes applied in order."""

    value: List[Edit]


#: What a guard says.
Verdict = Union[
    Verdict_Allow,
    Verdict_Deny,
    Verdict_Rewrite,
]


@dataclass
class Failure:
    """A policy's own failure: it could not decide. The binding's failure mode then decides."""

    #: One sentence for the operator.
    message: str


# reeve:domain/config


class State(Enum):
    """What a domain is doing; the words of `domain list`."""

    #: At least one vCPU runs or may run.
    RUNNING = auto()
    #: Running, but every vCPU waits.
    IDLE = auto()
    #: vCPUs are stopped by the host; memory is kept.
    PAUSED = auto()
    #: The guest was asked to shut down and has not finished.
    IN_SHUTDOWN = auto()
    #: Not running.
    SHUT_OFF = auto()
    #: Stopped because the guest or its worker failed.
    CRASHED = auto()
    #: The guest suspended itself.
    PM_SUSPENDED = auto()


@dataclass
class Disk:
    """One disk."""

    #: Target name, e.g. `vda`; unique in the domain.
    target: str
    #: `disk`, `cdrom`, `floppy` or `lun`.
    device: str
    #: Path of the image or block device; none for an empty drive or another kind of source.
    source: Optional[str]
    #: `raw`, `qcow2`…; none when the document does not say (raw).
    format: Optional[str]
    #: Cache mode; none when the document does not say.
    cache: Optional[str]
    #: Bus, e.g. `virtio`; none when the document does not say.
    bus: Optional[str]
    #: True when the guest may not write.
    readonly: bool
    #: True when several domains may write.
    shareable: bool


@dataclass
class NetworkInterface:
    """One network interface."""

    #: `ethernet`, `bridge`, `network`, `direct`…
    kind: str
    #: Attributes of `<source>`: name and value.
    source: List[Tuple[str, str]]
    #: MAC address, lower case with colons; none before one is allocated.
    mac: Optional[str]
    #: Name of the host's tap; none when the host chooses.
    target: Optional[str]
    #: `virtio`, …; none when the document does not say.
    model: Optional[str]


@dataclass
class Balloon:
    """Memory balloon."""

    #: `virtio` or `none`.
    model: str
    #: Period of statistics in seconds; none when off.
    stats_period: Optional[int]


class DomainConfig(Protocol):
    """The effective configuration of one domain: the definition, or the live one while it runs. A snapshot: it does not change
    while a hook looks at it.
    """

    def name(self) -> str:
        """Unique name."""
        ...

    def uuid(self) -> Uuid:
        """Identity."""
        ...

    def state(self) -> State:
        """State when the hook was called."""
        ...

    def title(self) -> Optional[str]:
        """Title; none when the document has none."""
        ...

    def domain_type(self) -> str:
        """Driver it asks for: `kvm`, `sim` or another word."""
        ...

    def memory(self) -> Bytes:
        """Memory at boot and at most, bytes."""
        ...

    def current_memory(self) -> Bytes:
        """Memory after the balloon took its share, bytes."""
        ...

    def vcpus(self) -> int:
        """vCPUs at most."""
        ...

    def current_vcpus(self) -> int:
        """vCPUs at boot."""
        ...

    def mergeable(self) -> bool:
        """True when the host may merge this guest's pages (no `<nosharepages/>`)."""
        ...

    def kernel(self) -> Optional[str]:
        """Path of the kernel; none when the document has none."""
        ...

    def cmdline(self) -> Optional[str]:
        """Kernel command line; none when the document has none."""
        ...

    def disks(self) -> List[Disk]:
        """Disks in document order."""
        ...

    def interfaces(self) -> List[NetworkInterface]:
        """Interfaces in document order."""
        ...

    def balloon(self) -> Optional[Balloon]:
        """Memory balloon; none when the document does not say."""
        ...

    def rng_count(self) -> int:
        """Number of random-number devices."""
        ...

    def metadata(self) -> Optional[str]:
        """`<metadata>` as XML text of the whole element; none when there is none."""
        ...

    def xml(self) -> str:
        """The whole document in canonical form. Far dearer than the getters."""
        ...


# reeve:domain/domains


@dataclass
class Summary:
    """One row of a list."""

    #: Identity.
    uuid: Uuid
    #: Unique name.
    name: str
    #: What it is doing.
    state: State
    #: True when a definition is kept after it stops.
    persistent: bool
    #: True when the daemon starts it by itself.
    autostart: bool


@dataclass
class Commitment:
    """What all active domains together may use; needs `domain:read` on every domain (`name=*`)."""

    #: Active domains.
    active: int
    #: Sum of their maximum memory, bytes.
    memory: Bytes
    #: Sum of their vCPUs.
    vcpus: int


# reeve:events/events


class DomainChange(Enum):
    """What happened to a domain."""

    #: A definition was added or replaced.
    DEFINED = auto()
    #: The definition was removed.
    UNDEFINED = auto()
    #: It runs.
    STARTED = auto()
    #: vCPUs were stopped.
    SUSPENDED = auto()
    #: vCPUs run again.
    RESUMED = auto()
    #: The guest was asked to shut down.
    SHUTDOWN_REQUESTED = auto()
    #: The machine was reset or the guest rebooted.
    REBOOTED = auto()
    #: It ended.
    STOPPED = auto()
    #: All resources of a stopped domain are given back.
    RELEASED = auto()
    #: The guest or its worker failed.
    CRASHED = auto()
    #: A restarted daemon found it alive.
    RECONNECTED = auto()
    #: A device was plugged.
    DEVICE_ATTACHED = auto()
    #: A device was unplugged.
    DEVICE_DETACHED = auto()
    #: Autostart, title or another setting changed.
    CHANGED = auto()


@dataclass
class DomainEvent:
    """One event of a domain's life."""

    #: Position on the event bus; it grows.
    seq: int
    #: Which domain.
    uuid: Uuid
    #: Its name.
    name: str
    #: What happened.
    change: DomainChange
    #: Its state afterwards.
    state: State
    #: Why it is in that state, e.g. `booted`, `guest crash`.
    reason: str


class DaemonChange(Enum):
    """What happened to the daemon."""

    #: It serves.
    STARTED = auto()
    #: It is about to end.
    STOPPING = auto()
    #: Configuration and policies were read again.
    RELOADED = auto()


# reeve:hooks/task


@dataclass
class Timing:
    """A moment of a task's schedule."""

    #: When the run was due.
    due: Timestamp
    #: True when the daemon was down at that moment: this one run stands for all that were missed.
    catch_up: bool


@dataclass
class Occasion_Manual:
    """Somebody asked for it, with these arguments (at most 64, 64 KiB together)."""

    value: List[str]


@dataclass
class Occasion_Schedule:
    """Its schedule."""

    value: Timing


@dataclass
class Occasion_Domain:
    """An event of a domain that its filters let through."""

    value: DomainEvent


@dataclass
class Occasion_Daemon:
    """An event of the daemon that its filters let through; never `stopping`."""

    value: DaemonChange


#: Why a task runs.
Occasion = Union[
    Occasion_Manual,
    Occasion_Schedule,
    Occasion_Domain,
    Occasion_Daemon,
]


# reeve:log/log


class Level(Enum):
    """How important a line is."""

    #: Every detail.
    DEBUG = auto()
    #: The normal course of things.
    INFO = auto()
    #: Something an operator should look at.
    WARN = auto()
    #: Something failed.
    ERROR = auto()


# reeve:node/host


@dataclass
class Info:
    """The machine."""

    #: Host name.
    hostname: str
    #: Online CPUs.
    cpus: int
    #: Memory, bytes.
    memory: Bytes
    #: NUMA cells.
    numa_cells: int


@dataclass
class Memory:
    """Memory at one moment (/proc/meminfo), bytes."""

    #: All memory.
    total: Bytes
    #: Unused memory.
    free: Bytes
    #: What can be had without swapping.
    available: Bytes
    #: Page cache.
    cached: Bytes
    #: Buffers.
    buffers: Bytes
    #: Swap, all of it.
    swap_total: Bytes
    #: Swap, unused.
    swap_free: Bytes


# reeve:node/ksm


@dataclass
class KsmState:
    """Settings and counters."""

    #: 0 stopped, 1 running, 2 stopped and all pages unmerged.
    run: int
    #: Pages to scan before ksmd sleeps.
    pages_to_scan: int
    #: Milliseconds ksmd sleeps between scans.
    sleep_millisecs: int
    #: Merge across NUMA nodes; none where the kernel has no such switch.
    merge_across_nodes: Optional[bool]
    #: Shared pages in use.
    pages_shared: int
    #: Sites that share them.
    pages_sharing: int
    #: Pages that are unique but checked again and again.
    pages_unshared: int
    #: Pages that change too fast.
    pages_volatile: int
    #: Full scans so far.
    full_scans: int


# reeve:tune/ksm-tune


class Wake(Enum):
    """Why a tuner is asked."""

    #: The interval passed.
    INTERVAL = auto()
    #: A domain started or stopped.
    DOMAINS_CHANGED = auto()


@dataclass
class Snapshot:
    """What the tuner decides on; all of one moment."""

    #: Memory of the host.
    memory: Memory
    #: Present settings and counters.
    ksm: KsmState
    #: Sum of the maximum memory of all active domains that may be merged, bytes.
    committed: Bytes
    #: Active domains.
    active_domains: int
    #: Why it is asked.
    wake: Wake


@dataclass
class Adjustment_Run:
    """0 stop, 1 run, 2 stop and unmerge all pages."""

    value: int


@dataclass
class Adjustment_PagesToScan:
    """Pages to scan before ksmd sleeps, 1 to 1000000."""

    value: int


@dataclass
class Adjustment_SleepMillisecs:
    """Milliseconds ksmd sleeps between scans, 1 to 10000."""

    value: int


#: One change. The host validates and clamps it, applies it, and puts back what it found when the tuner is taken out.
Adjustment = Union[
    Adjustment_Run,
    Adjustment_PagesToScan,
    Adjustment_SleepMillisecs,
]


_MODULES = {
    "imports.errors": [
        "Code",
        "Error",
    ],
    "imports.policy": [
        "Actor_Client",
        "Actor_Policy",
        "Actor_Daemon",
        "Context",
        "DiskCache",
        "InterfaceSource",
        "Edit_SetMemory",
        "Edit_SetCurrentMemory",
        "Edit_SetVcpus",
        "Edit_SetCpuShares",
        "Edit_SetDiskCache",
        "Edit_SetInterfaceSource",
        "Edit_SetTitle",
        "Edit_SetCmdline",
        "Edit_SetMetadata",
        "Edit_AddDevice",
        "Edit_RemoveDevice",
        "Edit_Replace",
        "Verdict_Allow",
        "Verdict_Deny",
        "Verdict_Rewrite",
        "Failure",
    ],
    "imports.config": [
        "State",
        "Disk",
        "NetworkInterface",
        "Balloon",
    ],
    "imports.domains": [
        "Summary",
        "Commitment",
    ],
    "imports.events": [
        "DomainChange",
        "DomainEvent",
        "DaemonChange",
    ],
    "exports.task": [
        "Timing",
        "Occasion_Manual",
        "Occasion_Schedule",
        "Occasion_Domain",
        "Occasion_Daemon",
    ],
    "imports.log": [
        "Level",
    ],
    "imports.host": [
        "Info",
        "Memory",
    ],
    "imports.ksm": [
        "KsmState",
    ],
    "exports.ksm_tune": [
        "Wake",
        "Snapshot",
        "Adjustment_Run",
        "Adjustment_PagesToScan",
        "Adjustment_SleepMillisecs",
    ],
}


def _adopt() -> None:
    for module, names in _MODULES.items():
        try:
            found = importlib.import_module(f"wit_world.{module}")
        except ImportError:
            continue
        for name in names:
            globals()[name] = getattr(found, name, globals()[name])


_adopt()
