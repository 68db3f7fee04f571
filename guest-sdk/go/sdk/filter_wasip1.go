//go:build filter_generate

package reeve

import (
	"reeve/bindings/reeve_filter_ruleset"
	"reeve/bindings/reeve_filter_tree"
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnFilterGenerate answers the hook filter-generate: the packet rules of an interface. Only policies whose manifest names the hook have it.
func OnFilterGenerate(answer RulesProposal) {
	hooks.FilterGenerate = func(ctx hooks.Context, on reeve_filter_tree.Subject, filters []reeve_filter_tree.Filter) hooks.Rules {
		given, err := answer(context(ctx), Subject{on.Domain, on.Link, on.Mac, on.Addresses}, each(filters, filter))
		if err != nil {
			return wit_types.Err[reeve_filter_ruleset.Rules, reeve_types_policy.Failure](failure(err))
		}
		return wit_types.Ok[reeve_filter_ruleset.Rules, reeve_types_policy.Failure](reeve_filter_ruleset.Rules{
			Chains: each(given.Chains, chain),
			Sets:   each(given.Sets, set),
			Maps:   each(given.Maps, verdictMap),
		})
	}
}

func filter(from reeve_filter_tree.Filter) Filter {
	return Filter{
		Name:     from.Name,
		Chain:    from.Chain,
		Priority: from.Priority,
		Variables: each(from.Variables, func(it reeve_filter_tree.Parameter) Parameter {
			return Parameter{it.Name, it.Values}
		}),
		Entries: each(from.Entries, filterEntry),
	}
}

func filterEntry(from reeve_filter_tree.Entry) FilterEntry {
	if from.Tag() == reeve_filter_tree.EntryReference {
		return FilterReference(from.Reference())
	}
	rule := from.Rule()
	return FilterRule{
		Action:     FilterAction(rule.Action),
		Direction:  FilterDirection(rule.Direction),
		Priority:   rule.Priority,
		StateMatch: rule.Statematch,
		Matches: each(rule.Matches, func(it reeve_filter_tree.ProtocolMatch) ProtocolMatch {
			return ProtocolMatch{it.Protocol, it.Negated, each(it.Conditions, condition)}
		}),
	}
}

func condition(from reeve_filter_tree.Condition) Condition {
	if from.Value.Tag() == reeve_filter_tree.ValueLiteral {
		return Condition{from.Attribute, Literal(from.Value.Literal())}
	}
	variable := from.Value.Variable()
	if variable.Access.Tag() == reeve_filter_tree.AccessElement {
		return Condition{from.Attribute, VariableElement{variable.Name, variable.Access.Element()}}
	}
	return Condition{from.Attribute, VariableIterator{variable.Name, variable.Access.Iterator()}}
}

func chain(from Chain) reeve_filter_ruleset.Chain {
	entry := wit_types.None[reeve_filter_ruleset.Flow]()
	if from.Entry != NoFlow {
		entry = wit_types.Some(reeve_filter_ruleset.Flow(from.Entry - InFlow))
	}
	return reeve_filter_ruleset.Chain{Name: from.Name, Layer: uint8(from.Layer), Entry: entry, Rules: each(from.Rules, rule)}
}

func rule(from Rule) reeve_filter_ruleset.Rule {
	comment := wit_types.None[string]()
	if from.Comment != "" {
		comment = wit_types.Some(from.Comment)
	}
	matches := each(from.Matches, func(it Match) reeve_filter_ruleset.Match {
		return reeve_filter_ruleset.Match{Field: uint8(it.Field), Negated: it.Negated, Operand: operand(it.Operand)}
	})
	return reeve_filter_ruleset.Rule{Matches: matches, Verdict: packetVerdict(from.Then), Comment: comment}
}

func packetVerdict(from PacketVerdict) reeve_filter_ruleset.Verdict {
	switch verdict := from.(type) {
	case PacketAccept:
		return reeve_filter_ruleset.MakeVerdictAccept()
	case PacketDrop:
		return reeve_filter_ruleset.MakeVerdictDrop()
	case PacketReject:
		return reeve_filter_ruleset.MakeVerdictReject()
	case PacketReturn:
		return reeve_filter_ruleset.MakeVerdictReturn()
	case PacketContinue:
		return reeve_filter_ruleset.MakeVerdictContinue()
	case Jump:
		return reeve_filter_ruleset.MakeVerdictJump(string(verdict))
	case Lookup:
		return reeve_filter_ruleset.MakeVerdictLookup(reeve_filter_ruleset.Lookup{Field: uint8(verdict.Field), VerdictMap: verdict.Map})
	}
	panic("what follows a rule is one of the types of this package")
}

func set(from Set) reeve_filter_ruleset.Set {
	return reeve_filter_ruleset.Set{Name: from.Name, Elements: each(from.Elements, operand)}
}

func verdictMap(from VerdictMap) reeve_filter_ruleset.VerdictMap {
	type entry = wit_types.Tuple2[reeve_filter_ruleset.Operand, reeve_filter_ruleset.Verdict]
	entries := each(from.Entries, func(it MapEntry) entry { return entry{F0: operand(it.Element), F1: packetVerdict(it.Then)} })
	return reeve_filter_ruleset.VerdictMap{Name: from.Name, Entries: entries}
}

func operand(from Operand) reeve_filter_ruleset.Operand {
	switch operand := from.(type) {
	case Number:
		return reeve_filter_ruleset.MakeOperandNumber(uint64(operand))
	case Range:
		return reeve_filter_ruleset.MakeOperandRange(wit_types.Tuple2[uint64, uint64]{F0: operand.From, F1: operand.To})
	case Masked:
		return reeve_filter_ruleset.MakeOperandMasked(reeve_filter_ruleset.Masked{Value: operand.Value, Mask: operand.Mask})
	case MAC:
		return reeve_filter_ruleset.MakeOperandMac(string(operand))
	case MaskedMAC:
		return reeve_filter_ruleset.MakeOperandMaskedMac(reeve_filter_ruleset.MaskedMac{Value: operand.Value, Mask: operand.Mask})
	case Address:
		return reeve_filter_ruleset.MakeOperandAddress(string(operand))
	case AddressBlock:
		return reeve_filter_ruleset.MakeOperandNetwork(wit_types.Tuple2[string, uint8]{F0: operand.Address, F1: operand.Prefix})
	case AddressRange:
		return reeve_filter_ruleset.MakeOperandAddresses(wit_types.Tuple2[string, string]{F0: operand.From, F1: operand.To})
	case InSet:
		return reeve_filter_ruleset.MakeOperandSet(string(operand))
	case States:
		return reeve_filter_ruleset.MakeOperandStates(each(operand, func(it ConnectionState) uint8 { return uint8(it) }))
	case HostSet:
		return reeve_filter_ruleset.MakeOperandHostSet(reeve_filter_ruleset.HostSet{Name: operand.Name, Sources: operand.Sources})
	}
	panic("an operand is one of the types of this package")
}
