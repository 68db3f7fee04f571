"""What `filter_generate` answers, part by part, and the tree of filters that it is asked about.

    from reeve import Rules
    from reeve.packets import Chain, Field, Flow, Layer, accept, drop, match, number, rule

    # Guests send nothing but ARP and IPv4.
    let = [rule(accept(), match(Field.ETHER_TYPE, number(kind))) for kind in (0x0806, 0x0800)]
    Rules(chains=[Chain("out", Layer.LINK, Flow.OUT, [*let, rule(drop())])], sets=[], maps=[])

The types are those of the contract; the functions make those that have a longer name there.
"""

from __future__ import annotations

from typing import List, Optional

from . import contract
from .contract import (
    Access,
    Action,
    Chain,
    Condition,
    ConnectionState,
    Direction,
    Entry,
    Field,
    Filter,
    Flow,
    HostSet,
    Layer,
    Masked,
    MaskedMac,
    Match,
    Operand,
    Parameter,
    ProtocolMatch,
    Rules,
    RulesetRule,
    RulesetVerdict,
    Set,
    Subject,
    TreeRule,
    Value,
    Variable,
    VerdictMap,
)


def rule(verdict: RulesetVerdict, *matches: Match, comment: Optional[str] = None) -> RulesetRule:
    """Conditions, all of which must hold, and what follows; none matches every packet."""
    return RulesetRule([*matches], verdict, comment)


def match(field: Field, operand: Operand, *, negated: bool = False) -> Match:
    """One condition; negated, it holds where the field does not match."""
    return Match(field, negated, operand)


def accept() -> RulesetVerdict:
    """The layer lets the packet pass."""
    return contract.RulesetVerdict_Accept()


def drop() -> RulesetVerdict:
    """It is thrown away."""
    return contract.RulesetVerdict_Drop()


def reject() -> RulesetVerdict:
    """It is thrown away and the sender told where the kernel can do that; else as `drop`."""
    return contract.RulesetVerdict_Reject()


def back() -> RulesetVerdict:
    """Back to the calling chain; from an entry chain the layer lets the packet pass."""
    return contract.RulesetVerdict_Return()


def go_on() -> RulesetVerdict:
    """On to the next rule."""
    return contract.RulesetVerdict_Continue()


def jump(chain: str) -> RulesetVerdict:
    """On to a chain of the same layer, and back after its end."""
    return contract.RulesetVerdict_Jump(chain)


def lookup(field: Field, verdict_map: str) -> RulesetVerdict:
    """What a map says; the next rule where it says nothing."""
    return contract.RulesetVerdict_Lookup(contract.Lookup(field, verdict_map))


def number(value: int) -> Operand:
    """One number."""
    return contract.Operand_Number(value)


def between(first: int, last: int) -> Operand:
    """From and to, both included."""
    return contract.Operand_Range((first, last))


def masked(value: int, mask: int) -> Operand:
    """Bits of a number: `field & mask == value`."""
    return contract.Operand_Masked(Masked(value, mask))


def mac(address: str) -> Operand:
    """One hardware address, lower case with colons."""
    return contract.Operand_Mac(address)


def masked_mac(value: str, mask: str) -> Operand:
    """Bits of a hardware address."""
    return contract.Operand_MaskedMac(MaskedMac(value, mask))


def address(value: str) -> Operand:
    """One IPv4 or IPv6 address."""
    return contract.Operand_Address(value)


def network(value: str, prefix: int) -> Operand:
    """All addresses of a network."""
    return contract.Operand_Network((value, prefix))


def addresses(first: str, last: str) -> Operand:
    """From and to, both included."""
    return contract.Operand_Addresses((first, last))


def in_set(name: str) -> Operand:
    """Any element of a set of these rules."""
    return contract.Operand_Set(name)


def states(*any_of: ConnectionState) -> Operand:
    """Any of these states of a connection."""
    return contract.Operand_States([*any_of])


def host_set(name: str, sources: List[bool]) -> Operand:
    """A set that the host's administrator made; for each of its fields, whether the source is looked up."""
    return contract.Operand_HostSet(HostSet(name, sources))
