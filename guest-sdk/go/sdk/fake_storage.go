//go:build !wasip1

package reeve

// OnPoolStart registers nothing in a test.
func OnPoolStart(PoolStartGuard) {}

// OnVolumeCreate registers nothing in a test.
func OnVolumeCreate(VolumeCreateGuard) {}

// OnVolumeResize registers nothing in a test.
func OnVolumeResize(VolumeResizeGuard) {}

// OnVolumeDelete registers nothing in a test.
func OnVolumeDelete(VolumeDeleteGuard) {}

// OnStorageEvents registers nothing in a test.
func OnStorageEvents(StorageNotify) {}

// OnCloneName registers nothing in a test.
func OnCloneName(NameProposal) {}

// ListPools is all pools of the fake host.
func ListPools() ([]Pool, error) { return fake.Pools, failed() }

// GetPool is one pool by name.
func GetPool(name string) (Pool, error) {
	if fake.Failure != nil {
		return Pool{}, fake.Failure
	}
	for _, pool := range fake.Pools {
		if pool.Name == name {
			return pool, nil
		}
	}
	return Pool{}, &HostError{NotFound, "there is no pool '" + name + "'"}
}

// ListVolumes is the fake host's Volumes of one pool.
func ListVolumes(pool string) ([]Volume, error) {
	var volumes []Volume
	for _, volume := range fake.Volumes {
		if volume.Pool == pool {
			volumes = append(volumes, volume)
		}
	}
	return volumes, failed()
}

// GetVolume is one volume.
func GetVolume(pool, name string) (Volume, error) {
	place, err := volumePlace(pool, name)
	if err != nil {
		return Volume{}, err
	}
	return fake.Volumes[place], nil
}

func volumePlace(pool, name string) (int, error) {
	if fake.Failure != nil {
		return 0, fake.Failure
	}
	for place, volume := range fake.Volumes {
		if volume.Pool == pool && volume.Name == name {
			return place, nil
		}
	}
	return 0, &HostError{NotFound, "pool '" + pool + "' has no volume '" + name + "'"}
}

func addVolume(volume Volume) (Volume, error) {
	fake.Volumes = append(fake.Volumes, volume)
	return volume, nil
}

// CreateVolume adds to the fake host's Volumes and is remembered in Calls, as is all that changes something.
func CreateVolume(pool string, wanted NewVolume) (Volume, error) {
	if err := changed("create %s %s %d", pool, wanted.Name, wanted.Capacity); err != nil {
		return Volume{}, err
	}
	return addVolume(Volume{Name: wanted.Name, Pool: pool, Format: "raw", Capacity: wanted.Capacity, Complete: true})
}

// CopyVolume adds to the fake host's Volumes.
func CopyVolume(pool, source, name string) (Volume, error) {
	of, err := GetVolume(pool, source)
	if err == nil {
		err = changed("copy %s %s %s", pool, source, name)
	}
	if err != nil {
		return Volume{}, err
	}
	return addVolume(Volume{Name: name, Pool: pool, Format: of.Format, Capacity: of.Capacity, Complete: true})
}

// ResizeVolume changes one of the fake host's Volumes.
func ResizeVolume(pool, name string, capacity uint64, shrink bool) (Volume, error) {
	place, err := volumePlace(pool, name)
	if err == nil && capacity < fake.Volumes[place].Capacity && !shrink {
		err = &HostError{Invalid, "it would become smaller"}
	}
	if err == nil {
		err = changed("resize %s %s %d", pool, name, capacity)
	}
	if err != nil {
		return Volume{}, err
	}
	fake.Volumes[place].Capacity = capacity
	return fake.Volumes[place], nil
}

// DeleteVolume takes one of the fake host's Volumes away.
func DeleteVolume(pool, name string) error {
	place, err := volumePlace(pool, name)
	if err == nil {
		err = changed("delete %s %s", pool, name)
	}
	if err == nil {
		fake.Volumes = append(fake.Volumes[:place], fake.Volumes[place+1:]...)
	}
	return err
}

// ReadVolume reads zeroes.
func ReadVolume(pool, name string, offset uint64, length uint32) ([]byte, error) {
	volume, err := GetVolume(pool, name)
	if err != nil || offset >= volume.Capacity {
		return nil, err
	}
	return make([]byte, min(volume.Capacity-offset, uint64(length), 1<<20)), nil
}

// WriteVolume is remembered in Calls.
func WriteVolume(pool, name string, offset uint64, data []byte) error {
	if _, err := volumePlace(pool, name); err != nil {
		return err
	}
	return changed("write %s %s %d %d", pool, name, offset, len(data))
}
