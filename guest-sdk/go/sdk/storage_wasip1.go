package reeve

import (
	"reeve/bindings/reeve_storage_pools"
	"reeve/bindings/reeve_storage_volumes"
	"reeve/internal/hooks"
	"reeve/wit/types"
)

// OnPoolStart answers the hook pool-start: a storage pool is about to start. Rewrites are refused.
func OnPoolStart(answer PoolStartGuard) {
	hooks.PoolStart = func(ctx hooks.Context, of hooks.Pool, xml string) hooks.Decision {
		return decision(answer(context(ctx), pool(of), xml))
	}
}

// OnVolumeResize answers the hook volume-resize: a volume is about to get another capacity. Rewrites are refused.
func OnVolumeResize(answer VolumeResizeGuard) {
	hooks.VolumeResize = func(ctx hooks.Context, of hooks.Pool, it hooks.Volume, capacity uint64) hooks.Decision {
		return decision(answer(context(ctx), pool(of), volume(it), capacity))
	}
}

// OnVolumeDelete answers the hook volume-delete: a volume is about to be deleted. Rewrites are refused.
func OnVolumeDelete(answer VolumeDeleteGuard) {
	hooks.VolumeDelete = func(ctx hooks.Context, of hooks.Pool, it hooks.Volume) hooks.Decision {
		return decision(answer(context(ctx), pool(of), volume(it)))
	}
}

// ListPools is all storage pools by name. Needs pool:read.
func ListPools() ([]Pool, error) {
	from, err := answer(reeve_storage_pools.List())
	return each(from, pool), err
}

// GetPool is one storage pool by name. Needs pool:read.
func GetPool(name string) (Pool, error) {
	from, err := answer(reeve_storage_pools.Get(name))
	return pool(from), err
}

// ListVolumes is all volumes of a pool by name, those that are being made among them. Needs volume:read.
func ListVolumes(pool string) ([]Volume, error) {
	from, err := answer(reeve_storage_volumes.List(pool))
	return each(from, volume), err
}

// GetVolume is one volume, looked at now. Needs volume:read.
func GetVolume(pool, name string) (Volume, error) {
	from, err := answer(reeve_storage_volumes.Get(pool, name))
	return volume(from), err
}

// CreateVolume makes a volume of zeroes. Needs volume:create.
func CreateVolume(pool string, wanted NewVolume) (Volume, error) {
	from, err := answer(reeve_storage_volumes.Create(pool, reeve_storage_volumes.NewVolume{
		Name:       wanted.Name,
		Capacity:   wanted.Capacity,
		Allocation: perhaps(wanted.Allocation),
		Format:     perhaps(wanted.Format),
	}))
	return volume(from), err
}

// CopyVolume copies a volume in the same pool. Needs volume:create and volume:download.
func CopyVolume(pool, source, name string) (Volume, error) {
	from, err := answer(reeve_storage_volumes.Copy(pool, source, name))
	return volume(from), err
}

// ResizeVolume gives a volume another capacity; a smaller one only with shrink. Needs volume:change.
func ResizeVolume(pool, name string, capacity uint64, shrink bool) (Volume, error) {
	from, err := answer(reeve_storage_volumes.Resize(pool, name, capacity, shrink))
	return volume(from), err
}

// DeleteVolume deletes a volume. Needs volume:delete.
func DeleteVolume(pool, name string) error { return done(reeve_storage_volumes.Delete(pool, name)) }

// ReadVolume reads what a volume holds from offset on, length bytes and 1 MiB at most. Needs volume:download.
func ReadVolume(pool, name string, offset uint64, length uint32) ([]byte, error) {
	bytes, err := answer(reeve_storage_volumes.Read(pool, name, offset, length))
	return append([]byte{}, bytes...), err
}

// WriteVolume writes bytes, at most 1 MiB, into a volume. Needs volume:change.
func WriteVolume(pool, name string, offset uint64, data []byte) error {
	return done(reeve_storage_volumes.Write(pool, name, offset, data))
}

func perhaps[T any](pointer *T) wit_types.Option[T] {
	if pointer == nil {
		return wit_types.None[T]()
	}
	return wit_types.Some(*pointer)
}

func pool(from reeve_storage_pools.Pool) Pool {
	to := Pool{
		UUID:       from.Uuid,
		Name:       from.Name,
		Kind:       from.Kind,
		Active:     from.Active,
		Persistent: from.Persistent,
		Autostart:  from.Autostart,
		Path:       optional(from.Path),
		Volumes:    from.Volumes,
	}
	if space, some := from.Space.Get(); some {
		to.Space = &PoolSpace{space.Capacity, space.Allocation, space.Available}
	}
	return to
}

func volume(from reeve_storage_volumes.Volume) Volume {
	return Volume{
		Name:       from.Name,
		Pool:       from.Pool,
		Key:        from.Key,
		Path:       from.Path,
		Format:     from.Format,
		Capacity:   from.Capacity,
		Allocation: from.Allocation,
		Backing:    optional(from.Backing),
		Created:    optional(from.Created),
		Complete:   from.Complete,
	}
}
