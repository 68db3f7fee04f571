//go:build clone_name

package reeve

import (
	"reeve/bindings/reeve_hooks_clone_name"
	"reeve/internal/hooks"
)

// OnCloneName answers the hook clone-name: the name of a clone that nobody named. Only policies whose manifest names the hook have it.
func OnCloneName(answer NameProposal) {
	hooks.CloneName = func(ctx hooks.Context, clone reeve_hooks_clone_name.CloneRequest) hooks.Text {
		return text(answer(context(ctx), CloneRequest{Cloned(clone.Kind), clone.Source, optional(clone.Pool), clone.Taken}))
	}
}
