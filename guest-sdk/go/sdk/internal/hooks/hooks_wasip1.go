// Package hooks is where a policy's functions wait for the host: the package reeve puts them here, the exports of the component call
// them. A hook's variable is nil when the policy did not register a function for it.
package hooks

import (
	"reeve/bindings/reeve_domain_config"
	"reeve/bindings/reeve_network_networks"
	"reeve/bindings/reeve_storage_pools"
	"reeve/bindings/reeve_storage_volumes"
	"reeve/bindings/reeve_types_policy"
	"reeve/wit/types"
)

// Shapes of the contract.
type (
	Context  = reeve_types_policy.Context
	Domain   = *reeve_domain_config.DomainConfig
	Network  = reeve_network_networks.Network
	Port     = reeve_network_networks.Port
	Pool     = reeve_storage_pools.Pool
	Volume   = reeve_storage_volumes.Volume
	Decision = wit_types.Result[reeve_types_policy.Verdict, reeve_types_policy.Failure]
	Text     = wit_types.Result[string, reeve_types_policy.Failure]
	Told     = wit_types.Result[wit_types.Unit, reeve_types_policy.Failure]
)

// The registered functions.
var (
	DomainDefine  func(Context, Domain) Decision
	DomainPrepare func(Context, Domain) Decision
	DomainStart   func(Context, Domain) Decision
	DomainStop    func(Context, Domain, bool) Decision
	DeviceAttach  func(Context, Domain, string) Decision
	DeviceDetach  func(Context, Domain, string) Decision
	MACAllocate   func(Context, Domain, uint32, []string, uint64) Text
	NetworkStart  func(Context, Network, string) Decision
	NetworkStop   func(Context, Network) Decision
	PortPlug      func(Context, Domain, Port) Decision
	PoolStart     func(Context, Pool, string) Decision
	VolumeResize  func(Context, Pool, Volume, uint64) Decision
	VolumeDelete  func(Context, Pool, Volume) Decision
)

// Missing is the failure of a hook that the manifest names and the policy registered no function for.
func Missing[T any](hook, register string) wit_types.Result[T, reeve_types_policy.Failure] {
	message := "the policy has no function for the hook " + hook + "; call reeve." + register + " in an init function"
	return wit_types.Err[T, reeve_types_policy.Failure](reeve_types_policy.Failure{Message: message})
}
