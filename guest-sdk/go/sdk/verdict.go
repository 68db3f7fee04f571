package reeve

import "fmt"

// Verdict is what a guard says. Make it with Allow, Deny or Rewrite; the zero Verdict allows.
type Verdict struct {
	denied bool
	reason string
	edits  []Edit
}

// Allow has no objection.
func Allow() Verdict { return Verdict{} }

// Deny stops, for this reason: one sentence for the one who asked, of which the host keeps 1024 bytes.
func Deny(format string, arguments ...any) Verdict {
	return Verdict{denied: true, reason: fmt.Sprintf(format, arguments...)}
}

// Rewrite goes on with these changes, applied in order. No change at all is an Allow.
func Rewrite(edits ...Edit) Verdict { return Verdict{edits: edits} }

// Reason is why the verdict is a deny; false when it is none.
func (v Verdict) Reason() (string, bool) { return v.reason, v.denied }

// Edits are the changes of a rewrite; none when it is no rewrite.
func (v Verdict) Edits() []Edit { return v.edits }

// Edit is one change to a domain document: one of the types below.
type Edit interface{ edit() }

type (
	// SetMemory sets the maximum memory in bytes; current memory is lowered to it when above.
	SetMemory uint64
	// SetCurrentMemory sets the current memory in bytes, at most the maximum.
	SetCurrentMemory uint64
	// SetVCPUs sets the maximum number of vCPUs, at least 1.
	SetVCPUs uint32
	// SetCPUShares sets the CPU weight.
	SetCPUShares uint64
	// SetDiskCache sets a disk's cache mode: none, writethrough, writeback, directsync or unsafe.
	SetDiskCache struct{ Target, Cache string }
	// SetInterfaceSource sets one attribute of the <source> of the interface with this MAC address.
	SetInterfaceSource struct{ MAC, Attribute, Value string }
	// SetTitle sets the title, one line; empty removes it.
	SetTitle string
	// SetCmdline sets the kernel command line.
	SetCmdline string
	// SetMetadata sets one application's child of <metadata>, as XML text.
	SetMetadata string
	// AddDevice adds a device, as XML text.
	AddDevice string
	// RemoveDevice takes a device out, by its alias or the target of a disk or interface.
	RemoveDevice string
	// Replace puts another document in place, as XML text; name and UUID must stay.
	Replace string
)

func (SetMemory) edit()          {}
func (SetCurrentMemory) edit()   {}
func (SetVCPUs) edit()           {}
func (SetCPUShares) edit()       {}
func (SetDiskCache) edit()       {}
func (SetInterfaceSource) edit() {}
func (SetTitle) edit()           {}
func (SetCmdline) edit()         {}
func (SetMetadata) edit()        {}
func (AddDevice) edit()          {}
func (RemoveDevice) edit()       {}
func (Replace) edit()            {}

// Fail says that the policy could not decide: one sentence for the operator. It is fmt.Errorf, so that a small policy imports nothing
// but this package.
func Fail(format string, arguments ...any) error { return fmt.Errorf(format, arguments...) }
