"""What a hook answers: verdicts, edits and adjustments."""

from __future__ import annotations

from typing import List, Optional

from . import contract
from .contract import Adjustment, DiskCache, Edit, InterfaceSource, Verdict, VolumeChanges, VolumeVerdict


class Failure(Exception):
    """The policy could not decide; the binding's failure mode then does. Raise it from any hook."""


def allow() -> Verdict:
    """No objection."""
    return contract.Verdict_Allow()


def deny(reason: str) -> Verdict:
    """Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it."""
    return contract.Verdict_Deny(reason)


def rewrite(edits: List[Edit]) -> Verdict:
    """Go on with these changes, applied in order. No change at all is an `allow`."""
    return contract.Verdict_Rewrite(edits) if edits else allow()


def rewrite_volume(
    *, name: Optional[str] = None, capacity: Optional[int] = None, allocation: Optional[int] = None
) -> VolumeVerdict:
    """A new volume with these changes of its document; what is left out stays."""
    return contract.VolumeVerdict_Rewrite(VolumeChanges(name, capacity, allocation))


def set_memory(size: int) -> Edit:
    """Maximum memory in bytes; current memory is lowered to it when above."""
    return contract.Edit_SetMemory(size)


def set_current_memory(size: int) -> Edit:
    """Current memory in bytes, at most the maximum."""
    return contract.Edit_SetCurrentMemory(size)


def set_vcpus(count: int) -> Edit:
    """Maximum vCPUs, at least 1."""
    return contract.Edit_SetVcpus(count)


def set_cpu_shares(shares: int) -> Edit:
    """CPU weight."""
    return contract.Edit_SetCpuShares(shares)


def set_disk_cache(target: str, cache: str) -> Edit:
    """Cache mode of a disk, e.g. `none`."""
    return contract.Edit_SetDiskCache(DiskCache(target, cache))


def set_interface_source(mac: str, attribute: str, value: str) -> Edit:
    """One attribute of an interface's `<source>`."""
    return contract.Edit_SetInterfaceSource(InterfaceSource(mac, attribute, value))


def set_title(title: str) -> Edit:
    """Title, one line; empty removes it."""
    return contract.Edit_SetTitle(title)


def set_cmdline(cmdline: str) -> Edit:
    """Kernel command line."""
    return contract.Edit_SetCmdline(cmdline)


def set_metadata(xml: str) -> Edit:
    """One application's child of `<metadata>`; it replaces a child with the same namespace."""
    return contract.Edit_SetMetadata(xml)


def add_device(xml: str) -> Edit:
    """A new device, as XML text of its element."""
    return contract.Edit_AddDevice(xml)


def remove_device(alias: str) -> Edit:
    """Takes a device out, by its alias or by the target of a disk or interface."""
    return contract.Edit_RemoveDevice(alias)


def replace(xml: str) -> Edit:
    """The whole document; name and UUID must stay."""
    return contract.Edit_Replace(xml)


def ksm_run(value: int) -> Adjustment:
    """KSM: 0 stop, 1 run, 2 stop and unmerge all pages."""
    return contract.Adjustment_Run(value)


def ksm_pages_to_scan(pages: int) -> Adjustment:
    """KSM: pages to scan before ksmd sleeps."""
    return contract.Adjustment_PagesToScan(pages)


def ksm_sleep_millisecs(milliseconds: int) -> Adjustment:
    """KSM: milliseconds ksmd sleeps between scans."""
    return contract.Adjustment_SleepMillisecs(milliseconds)
