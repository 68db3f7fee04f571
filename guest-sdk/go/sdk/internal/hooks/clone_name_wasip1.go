//go:build clone_name

package hooks

import "reeve/bindings/reeve_hooks_clone_name"

// CloneName is the registered function.
var CloneName func(Context, reeve_hooks_clone_name.CloneRequest) Text
