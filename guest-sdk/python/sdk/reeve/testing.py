"""Runs a policy's hooks natively, against a host that the test makes up. Not part of a component.

    from reeve import allow
    from reeve.testing import ask, domain
    import policy

    def test_small_domains_are_fine():
        assert ask(policy.domain_define, domain(vcpus=2)) == allow()
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, NamedTuple, Tuple, Union

from . import _bridge, contract
from .hooks import HOOKS, Failed, answer

#: Lines the policy wrote to the log: level and text.
logged: List[Tuple[contract.Level, str]] = []


class CouldNotDecide(NamedTuple):
    """A hook failed, for this reason."""

    message: str


def host(**interfaces: Dict[str, Callable[..., Any]]) -> None:
    """What the host answers from now on: `host(node_host={"get_info": lambda: …})`, named after package and interface.

    Log and clock are there without being said. Forgets what was logged.
    """
    known = {
        "domain_domains": "reeve:domain/domains",
        "network_networks": "reeve:network/networks",
        "storage_pools": "reeve:storage/pools",
        "storage_volumes": "reeve:storage/volumes",
        "migration_disks": "reeve:migration/disks",
        "node_host": "reeve:node/host",
        "node_ksm": "reeve:node/ksm",
        "kv_store": "reeve:kv/store",
        "clock_clock": "reeve:clock/clock",
        "clock_timer": "reeve:clock/timer",
        "log_log": "reeve:log/log",
    }
    unknown = set(interfaces) - set(known)
    if unknown:
        raise TypeError(f"the contract has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    logged.clear()
    _bridge.fake = {
        "reeve:log/log": {"write": lambda level, message: logged.append((level, message))},
        "reeve:clock/clock": {"now": lambda: 0, "monotonic": lambda: 0},
        **{known[name]: functions for name, functions in interfaces.items()},
    }


host()


def context(
    config: Union[Dict[str, Any], str, None] = None,
    *,
    actor: Any = None,
    time: int = 0,
    attempt: int = 1,
    call_id: str = "test",
) -> contract.Context:
    """The circumstances of a call."""
    text = config if isinstance(config, str) else json.dumps(config or {})
    return contract.Context(call_id, time, actor or contract.Actor_Daemon(), text, attempt)


def ask(hook: Callable[..., Any], *question: Any, ctx: Union[contract.Context, None] = None, **of_context: Any) -> Any:
    """What a hook answers: a verdict, a proposal…, or CouldNotDecide. `ask(policy.domain_define, domain(), config={…})`."""
    if hook.__name__ not in HOOKS:
        raise TypeError(f"'{hook.__name__}' is no hook; there are {', '.join(HOOKS)}")
    try:
        return answer(hook.__name__, hook, ctx or context(**of_context), *question)
    except Failed as failed:
        return CouldNotDecide(str(failed))


class _Domain:
    def __init__(self, values: Dict[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Callable[[], Any]:
        try:
            value = self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"a domain has no '{name}'") from None
        return lambda: value


_DOMAIN: Dict[str, Any] = {
    "name": "test",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "state": contract.State.SHUT_OFF,
    "title": None,
    "domain_type": "kvm",
    "memory": 1 << 30,
    "current_memory": 1 << 30,
    "vcpus": 1,
    "current_vcpus": 1,
    "mergeable": True,
    "kernel": None,
    "cmdline": None,
    "disks": [],
    "interfaces": [],
    "balloon": None,
    "rng_count": 0,
    "metadata": None,
    "xml": "<domain/>",
}


def domain(**values: Any) -> contract.DomainConfig:
    """A domain with one vCPU, 1 GiB and nothing else, but for what is said: `domain(name="web-1", vcpus=4)`."""
    unknown = set(values) - set(_DOMAIN)
    if unknown:
        raise TypeError(f"a domain has no {', '.join(sorted(unknown))}; it has {', '.join(_DOMAIN)}")
    return _Domain({**_DOMAIN, **values})  # type: ignore[return-value]


def disk(**values: Any) -> contract.Disk:
    """A writable disk with a source, but for what is said."""
    plain = {"target": "vda", "device": "disk", "source": "/test.img", "format": None, "cache": None, "bus": None}
    return contract.Disk(**{**plain, "readonly": False, "shareable": False, **values})


def network(**values: Any) -> contract.Network:
    """A persistent NAT network that does not run, but for what is said."""
    plain = {"uuid": "00000000-0000-4000-8000-000000000001", "name": "test", "mode": contract.Mode.NAT, "active": False}
    plain = {**plain, "persistent": True, "autostart": False, "bridge": None, "addresses": [], "connections": 0}
    return contract.Network(**{**plain, **values})


def port(**values: Any) -> contract.Port:
    """An interface of the domain `test` that is in no network and has no filter, but for what is said."""
    plain = {"domain": "test", "mac": "52:54:00:00:00:01", "link": "tap0", "network": None, "filter": None}
    return contract.Port(**{**plain, "addresses": [], **values})


def pool(**values: Any) -> contract.Pool:
    """A running directory pool without volumes, but for what is said."""
    plain = {"uuid": "00000000-0000-4000-8000-000000000002", "name": "test", "kind": "dir", "active": True}
    plain = {**plain, "persistent": True, "autostart": False, "path": None, "space": None, "volumes": 0}
    return contract.Pool(**{**plain, **values})


def volume(**values: Any) -> contract.Volume:
    """A raw volume of 1 GiB in the pool `test`, but for what is said."""
    plain = {"name": "disk.img", "pool": "test", "key": "/test/disk.img", "path": "/test/disk.img", "format": "raw"}
    plain = {**plain, "capacity": 1 << 30, "allocation": 0, "backing": None, "created": None, "complete": True}
    return contract.Volume(**{**plain, **values})


def plan(**values: Any) -> contract.VolumePlan:
    """A volume of 1 GiB that is about to be made, but for what is said."""
    plain = {"name": "disk.img", "capacity": 1 << 30, "allocation": None, "format": None, "backing": None}
    return contract.VolumePlan(**{**plain, "source": None, "xml": "<volume/>", **values})


def journey(**values: Any) -> contract.Journey:
    """From one machine to another of the same version over TLS, with a definition that stays there, but for what is said."""
    ends = {"source": contract.Peer("source", "0.1.0"), "destination": contract.Peer("destination", "0.1.0")}
    plain = {"id": "test", **ends, "same_machine": False, "transport": "tls", "unchecked": False, "persistent": True}
    return contract.Journey(**{**plain, **values})


def capabilities(**values: Any) -> contract.Capabilities:
    """One stream without compression or post-copy, but for what is said."""
    return contract.Capabilities(**{"compression": False, "streams": 1, "post_copy": False, **values})


def limits(**values: Any) -> contract.Limits:
    """The limits of a migration for which the operator said none, but for what is said."""
    plain = {"max_downtime_us": 300_000, "bandwidth": None, "max_throttle": 99, "max_rounds": 100}
    return contract.Limits(**{**plain, **values})


def round(**values: Any) -> contract.Round:
    """A first round that did and left nothing, but for what is said."""
    plain = {"number": 1, "elapsed_us": 0, "duration_us": 0, "pages": 0, "zero_pages": 0, "sent": 0, "dirty_pages": 0}
    plain = {**plain, "bandwidth": 0, "expected_downtime_us": 0, "max_downtime_us": 300_000, "throttle": 0}
    return contract.Round(**{**plain, "compressed": False, "streams": 1, **values})


def progress(rounds: List[contract.Round], **values: Any) -> contract.Progress:
    """What a strategy decides on: these rounds, the newest last."""
    plain = {"capabilities": capabilities(), "limits": limits(), "rounds": rounds}
    return contract.Progress(**{**plain, **values})


def subject(**values: Any) -> contract.Subject:
    """The interface of a filter: that of `port()`, but for what is said."""
    plain = {"domain": "test", "link": "tap0", "mac": "52:54:00:00:00:01", "addresses": []}
    return contract.Subject(**{**plain, **values})


def filter(**values: Any) -> contract.Filter:
    """A filter of chain `root` with nothing in it, but for what is said."""
    plain = {"name": "test", "chain": "root", "priority": 0, "variables": [], "entries": []}
    return contract.Filter(**{**plain, **values})
