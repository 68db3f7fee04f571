package reeve

import (
	"reeve/bindings/reeve_domain_config"
	"reeve/bindings/reeve_types_policy"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnDomainDefine answers the hook domain-define: a definition is added or replaced; a rewrite changes what is stored.
func OnDomainDefine(answer Guard) { hooks.DomainDefine = guard(answer) }

// OnDomainPrepare answers the hook domain-prepare: a domain is about to start; a rewrite changes the configuration of this run only.
func OnDomainPrepare(answer Guard) { hooks.DomainPrepare = guard(answer) }

// OnDomainStart answers the hook domain-start: the last word before a machine is made. Rewrites are refused.
func OnDomainStart(answer Guard) { hooks.DomainStart = guard(answer) }

// OnDomainStop answers the hook domain-stop: somebody asks to stop a domain. Rewrites are refused.
func OnDomainStop(answer StopGuard) {
	hooks.DomainStop = func(ctx hooks.Context, config hooks.Domain, forced bool) hooks.Decision {
		defer config.Drop()
		return decision(answer(context(ctx), &Domain{config}, forced))
	}
}

// OnDeviceAttach answers the hook device-attach: a device is about to be plugged. Rewrites are refused.
func OnDeviceAttach(answer DeviceGuard) { hooks.DeviceAttach = deviceGuard(answer) }

// OnDeviceDetach answers the hook device-detach: a device is about to be unplugged. Rewrites are refused.
func OnDeviceDetach(answer DeviceGuard) { hooks.DeviceDetach = deviceGuard(answer) }

// OnMACAllocate answers the hook mac-allocate: an address for an interface that has none.
func OnMACAllocate(answer MACProposal) {
	hooks.MACAllocate = func(ctx hooks.Context, config hooks.Domain, index uint32, taken []string, seed uint64) hooks.Text {
		defer config.Drop()
		return text(answer(context(ctx), &Domain{config}, index, taken, seed))
	}
}

func guard(answer Guard) func(hooks.Context, hooks.Domain) hooks.Decision {
	return func(ctx hooks.Context, config *reeve_domain_config.DomainConfig) hooks.Decision {
		defer config.Drop()
		return decision(answer(context(ctx), &Domain{config}))
	}
}

func deviceGuard(answer DeviceGuard) func(hooks.Context, hooks.Domain, string) hooks.Decision {
	return func(ctx hooks.Context, config hooks.Domain, device string) hooks.Decision {
		defer config.Drop()
		return decision(answer(context(ctx), &Domain{config}, device))
	}
}

func context(from reeve_types_policy.Context) Context {
	var actor Actor = DaemonActor{}
	switch from.Actor.Tag() {
	case reeve_types_policy.ActorClient:
		actor = ClientActor(from.Actor.Client())
	case reeve_types_policy.ActorPolicy:
		actor = PolicyActor(from.Actor.Policy())
	}
	return Context{from.CallId, from.Time, actor, from.Config, from.Attempt}
}

func failure(err error) reeve_types_policy.Failure {
	return reeve_types_policy.Failure{Message: err.Error()}
}

func told(err error) hooks.Told {
	if err != nil {
		return wit_types.Err[wit_types.Unit, reeve_types_policy.Failure](failure(err))
	}
	return wit_types.Ok[wit_types.Unit, reeve_types_policy.Failure](wit_types.Unit{})
}

func text(answer string, err error) hooks.Text {
	if err != nil {
		return wit_types.Err[string, reeve_types_policy.Failure](failure(err))
	}
	return wit_types.Ok[string, reeve_types_policy.Failure](answer)
}

func decision(verdict Verdict, err error) hooks.Decision {
	if err != nil {
		return wit_types.Err[reeve_types_policy.Verdict, reeve_types_policy.Failure](failure(err))
	}
	out := reeve_types_policy.MakeVerdictAllow()
	if verdict.denied {
		out = reeve_types_policy.MakeVerdictDeny(verdict.reason)
	} else if len(verdict.edits) > 0 {
		edits := make([]reeve_types_policy.Edit, len(verdict.edits))
		for i, each := range verdict.edits {
			edits[i] = edit(each)
		}
		out = reeve_types_policy.MakeVerdictRewrite(edits)
	}
	return wit_types.Ok[reeve_types_policy.Verdict, reeve_types_policy.Failure](out)
}

func edit(from Edit) reeve_types_policy.Edit {
	switch edit := from.(type) {
	case SetMemory:
		return reeve_types_policy.MakeEditSetMemory(uint64(edit))
	case SetCurrentMemory:
		return reeve_types_policy.MakeEditSetCurrentMemory(uint64(edit))
	case SetVCPUs:
		return reeve_types_policy.MakeEditSetVcpus(uint32(edit))
	case SetCPUShares:
		return reeve_types_policy.MakeEditSetCpuShares(uint64(edit))
	case SetDiskCache:
		return reeve_types_policy.MakeEditSetDiskCache(reeve_types_policy.DiskCache{Target: edit.Target, Cache: edit.Cache})
	case SetInterfaceSource:
		return reeve_types_policy.MakeEditSetInterfaceSource(
			reeve_types_policy.InterfaceSource{Mac: edit.MAC, Attribute: edit.Attribute, Value: edit.Value})
	case SetTitle:
		return reeve_types_policy.MakeEditSetTitle(string(edit))
	case SetCmdline:
		return reeve_types_policy.MakeEditSetCmdline(string(edit))
	case SetMetadata:
		return reeve_types_policy.MakeEditSetMetadata(string(edit))
	case AddDevice:
		return reeve_types_policy.MakeEditAddDevice(string(edit))
	case RemoveDevice:
		return reeve_types_policy.MakeEditRemoveDevice(string(edit))
	case Replace:
		return reeve_types_policy.MakeEditReplace(string(edit))
	}
	panic("an edit is one of the types of this package")
}
