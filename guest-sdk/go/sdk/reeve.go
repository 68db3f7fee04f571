// Package reeve is what a policy in Go uses.
//
// A policy registers one function for each hook it answers, in an init function; policy.toml names the same hooks:
//
//	package main
//
//	import "reeve"
//
//	// No domain may have more than 64 vCPUs.
//	func init() {
//		reeve.OnDomainDefine(func(ctx reeve.Context, domain *reeve.Domain) (reeve.Verdict, error) {
//			if vcpus := domain.VCPUs(); vcpus > 64 {
//				return reeve.Deny("%d vCPUs; this host allows 64 at most", vcpus), nil
//			}
//			return reeve.Allow(), nil
//		})
//	}
//
//	func main() {}
//
// An error means the policy could not decide; the binding's failure mode then does. Every call is a fresh instance: variables do not
// outlive it, values in kv do.
//
// Compiled for the machine you sit at (go test), the functions of the host answer from a FakeHost.
package reeve
