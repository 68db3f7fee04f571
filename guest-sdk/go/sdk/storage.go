package reeve

import "fmt"

// PoolSpace is what a storage pool holds, bytes.
type PoolSpace struct {
	Capacity   uint64
	Allocation uint64
	Available  uint64
}

// Pool is one storage pool.
type Pool struct {
	UUID string
	// Name is unique.
	Name string
	// Kind is what it is made of: dir, fs, disk…
	Kind string
	// Active is true while it runs.
	Active bool
	// Persistent is true when a definition is kept after it stops.
	Persistent bool
	// Autostart is true when the daemon starts it by itself.
	Autostart bool
	// Path is the directory of its volumes; nil where it has none.
	Path *string
	// Space is what it holds; nil while it does not run.
	Space *PoolSpace
	// Volumes is how many it has.
	Volumes uint32
}

// Volume is one volume of a pool.
type Volume struct {
	Name string
	// Pool is the name of its pool.
	Pool string
	// Key is unique on the host.
	Key string
	// Path is where it is on the host; empty while it is being made.
	Path string
	// Format is that of the image: raw, qcow2…
	Format string
	// Capacity is what a guest sees, bytes; while it is resized, the larger of two.
	Capacity uint64
	// Allocation is what it takes of its pool, bytes.
	Allocation uint64
	// Backing is the image below an overlay; nil where it is none.
	Backing *string
	// Created is when it was made, or else last changed, milliseconds since the Unix epoch; nil of a device.
	Created *uint64
	// Complete is false while it is being made.
	Complete bool
}

// NewVolume is what CreateVolume makes.
type NewVolume struct {
	Name     string
	Capacity uint64
	// Allocation is what is taken at once; nil preallocates a raw volume whole.
	Allocation *uint64
	// Format is raw or qcow2; nil is the pool's own.
	Format *string
}

// VolumePlan is a volume that is about to be made.
type VolumePlan struct {
	Name string
	// Capacity is what a guest will see; nil where the host can't tell.
	Capacity *uint64
	// Allocation is what is taken at once; nil preallocates a raw volume whole.
	Allocation *uint64
	// Format is that of the image; nil is the pool's own.
	Format *string
	// Backing is the image below it; nil where it is no overlay.
	Backing *string
	// Source is what it is a copy of; nil where it begins with zeroes.
	Source *Volume
	// XML is the whole document.
	XML string
}

// VolumeChanges are changes to the document of a new volume; what is nil stays.
type VolumeChanges struct {
	Name       *string
	Capacity   *uint64
	Allocation *uint64
}

// VolumeVerdict is what the guard of a new volume says. Make it with AllowVolume, DenyVolume or RewriteVolume; the zero one allows.
type VolumeVerdict struct {
	denied  bool
	reason  string
	changes *VolumeChanges
}

// AllowVolume has no objection.
func AllowVolume() VolumeVerdict { return VolumeVerdict{} }

// DenyVolume stops, for this reason: one sentence for the one who asked.
func DenyVolume(format string, arguments ...any) VolumeVerdict {
	return VolumeVerdict{denied: true, reason: fmt.Sprintf(format, arguments...)}
}

// RewriteVolume goes on with these changes.
func RewriteVolume(changes VolumeChanges) VolumeVerdict { return VolumeVerdict{changes: &changes} }

// Reason is why the verdict is a deny; false when it is none.
func (v VolumeVerdict) Reason() (string, bool) { return v.reason, v.denied }

// Changes are those of a rewrite; nil when it is none.
func (v VolumeVerdict) Changes() *VolumeChanges { return v.changes }

// StorageChange is what happened to a storage pool or its volumes.
type StorageChange uint8

// The changes.
const (
	PoolDefined StorageChange = iota
	PoolUndefined
	// PoolBuilt says that the source of a pool was made.
	PoolBuilt
	// PoolUpdated says that the daemon starts a pool by itself from now on, or not any more.
	PoolUpdated
	PoolStarted
	PoolStopped
	// PoolDeleted says that the source of a pool was removed.
	PoolDeleted
	// PoolRefreshed says that the volumes of a pool were read again.
	PoolRefreshed
	// PoolLowSpace says that little of a pool is free: the bytes in the detail.
	PoolLowSpace
	// VolumeCreated says that the volume in the detail was made.
	VolumeCreated
	// VolumeDeleted says that the volume in the detail was deleted.
	VolumeDeleted
	// VolumeResized says that the volume in the detail got another capacity.
	VolumeResized
	// VolumeWiped says that what the volume in the detail held was made unreadable.
	VolumeWiped
	// VolumeWritten says that what the volume in the detail holds was written.
	VolumeWritten
)

// StorageEvent is one event of a storage pool.
type StorageEvent struct {
	UUID string
	// Name is that of the pool.
	Name   string
	Change StorageChange
	// Detail is more of it; may be empty.
	Detail string
}

// Cloned is what is cloned.
type Cloned uint8

// What is cloned.
const (
	ClonedDomain Cloned = iota
	ClonedVolume
)

// CloneRequest is a clone that nobody named.
type CloneRequest struct {
	Kind Cloned
	// Source is the name of the original.
	Source string
	// Pool is that of a volume; nil of a domain.
	Pool *string
	// Taken are the names that nothing new may have.
	Taken []string
}

// The functions that answer hooks of storage.
type (
	// PoolStartGuard answers pool-start; xml is the whole document.
	PoolStartGuard func(ctx Context, pool Pool, xml string) (Verdict, error)
	// VolumeCreateGuard answers volume-create.
	VolumeCreateGuard func(ctx Context, pool Pool, plan VolumePlan) (VolumeVerdict, error)
	// VolumeResizeGuard answers volume-resize; capacity is what the volume gets, bytes.
	VolumeResizeGuard func(ctx Context, pool Pool, volume Volume, capacity uint64) (Verdict, error)
	// VolumeDeleteGuard answers volume-delete.
	VolumeDeleteGuard func(ctx Context, pool Pool, volume Volume) (Verdict, error)
	// StorageNotify answers storage-events; calls for one pool come in order.
	StorageNotify func(ctx Context, event StorageEvent) error
	// NameProposal answers clone-name: a name that is not taken.
	NameProposal func(ctx Context, clone CloneRequest) (string, error)
)
