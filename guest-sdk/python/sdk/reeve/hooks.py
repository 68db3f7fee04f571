"""What every hook is called, in policy.py and in the contract, and how an answer or an error of it reaches the host."""

from __future__ import annotations

import traceback
from typing import Any, Callable, Dict, NamedTuple, Optional

from . import contract, log
from ._bridge import HostError
from .answer import Failure
from .config import ConfigError


class Hook(NamedTuple):
    """A function that answers a hook: the class that a component exports, its method, and what the answer must be."""

    exported: str
    method: str
    check: Callable[[Any], Any]
    #: What is asked where policy.py has no such function; it must have one where this is none.
    ordinary: Optional[Callable[..., Any]] = None

    @property
    def name(self) -> str:
        """The hook's name in the contract."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.exported)[1:]


def _verdict(answer: Any) -> Any:
    if not isinstance(answer, (contract.Verdict_Allow, contract.Verdict_Deny, contract.Verdict_Rewrite)):
        raise Failure("the guard gave no verdict; it must return allow(), deny(reason) or rewrite(edits)")
    return answer


def _volume_verdict(answer: Any) -> Any:
    if isinstance(answer, contract.Verdict_Allow):
        return contract.VolumeVerdict_Allow()
    if isinstance(answer, contract.Verdict_Deny):
        return contract.VolumeVerdict_Deny(answer.value)
    if not isinstance(
        answer, (contract.VolumeVerdict_Allow, contract.VolumeVerdict_Deny, contract.VolumeVerdict_Rewrite)
    ):
        raise Failure("the guard gave no verdict; it must return allow(), deny(reason) or rewrite_volume(name=…)")
    return answer


def _nothing(_: Any) -> None:
    return None


def _text(answer: Any) -> str:
    if not isinstance(answer, str):
        raise Failure(f"a proposal must be a str, this one is {type(answer).__name__}")
    return answer


def _summary(answer: Any) -> str:
    return "" if answer is None else str(answer)


def _adjustments(answer: Any) -> list:
    return [] if answer is None else answer


def _rules(answer: Any) -> Any:
    if not isinstance(answer, contract.Rules):
        raise Failure("the filter gave no rules; it must return Rules(chains, sets, maps)")
    return answer


def _objection(answer: Any) -> Optional[str]:
    if answer is not None and not isinstance(answer, str):
        raise Failure(f"an objection must be None or a str, this one is {type(answer).__name__}")
    return answer


def _plan(answer: Any) -> contract.MigrationPlan:
    if not isinstance(answer, contract.MigrationPlan):
        raise Failure("the strategy gave no plan; it must return MigrationPlan(max_downtime_us, compress, streams)")
    return answer


_STEPS = (
    contract.Step_Continue,
    contract.Step_Throttle,
    contract.Step_SetMaxDowntime,
    contract.Step_Compress,
    contract.Step_AddStreams,
    contract.Step_SwitchToPostCopy,
    contract.Step_StopAndCopy,
    contract.Step_Abort,
)


def _step(answer: Any) -> contract.Step:
    if not isinstance(answer, _STEPS):
        raise Failure("the strategy gave no step; it must return one of reeve.migration, e.g. stop_and_copy()")
    return answer


def _no_objection(_ctx: Any, _domain: Any, _journey: Any) -> None:
    return None


def _within_limits(_ctx: Any, _offered: Any, limits: contract.Limits, _journey: Any) -> contract.MigrationPlan:
    return contract.MigrationPlan(limits.max_downtime_us, False, 1)


#: Function in policy.py to hook. That of migrations' strategies has three.
HOOKS: Dict[str, Hook] = {
    "domain_define": Hook("DomainDefine", "guard", _verdict),
    "domain_prepare": Hook("DomainPrepare", "guard", _verdict),
    "domain_start": Hook("DomainStart", "guard", _verdict),
    "domain_stop": Hook("DomainStop", "guard", _verdict),
    "migrate_out": Hook("MigrateOut", "guard", _verdict),
    "migrate_in": Hook("MigrateIn", "guard", _verdict),
    "migration_precheck": Hook("MigrationStrategy", "precheck", _objection, _no_objection),
    "migration_plan": Hook("MigrationStrategy", "plan", _plan, _within_limits),
    "migration_step": Hook("MigrationStrategy", "next_step", _step),
    "device_attach": Hook("DeviceAttach", "guard", _verdict),
    "device_detach": Hook("DeviceDetach", "guard", _verdict),
    "domain_events": Hook("DomainEvents", "notify", _nothing),
    "daemon_events": Hook("DaemonEvents", "notify", _nothing),
    "mac_allocate": Hook("MacAllocate", "propose", _text),
    "ksm_tune": Hook("KsmTune", "tick", _adjustments),
    "task": Hook("Task", "run", _summary),
    "network_start": Hook("NetworkStart", "guard", _verdict),
    "network_stop": Hook("NetworkStop", "guard", _verdict),
    "port_plug": Hook("PortPlug", "guard", _verdict),
    "network_events": Hook("NetworkEvents", "notify", _nothing),
    "pool_start": Hook("PoolStart", "guard", _verdict),
    "volume_create": Hook("VolumeCreate", "guard", _volume_verdict),
    "volume_resize": Hook("VolumeResize", "guard", _verdict),
    "volume_delete": Hook("VolumeDelete", "guard", _verdict),
    "storage_events": Hook("StorageEvents", "notify", _nothing),
    "clone_name": Hook("CloneName", "propose", _text),
    "filter_generate": Hook("FilterGenerate", "propose", _rules),
}


class Failed(Exception):
    """A hook could not decide, for this reason."""


def answer(name: str, function: Callable[..., Any], *question: Any) -> Any:
    """What a hook's function answers, checked. Raises Failed."""
    try:
        return HOOKS[name].check(function(*question))
    except HostError as error:
        raise Failed(f"the host answered: {error.message}") from None
    except (Failure, ConfigError) as error:
        raise Failed(str(error)) from None
    except Exception as error:  # a mistake in the policy must reach the operator, not become a trap without words
        log.error("".join(traceback.format_exception(error)).rstrip())
        raise Failed(f"{type(error).__name__}: {error}") from None
