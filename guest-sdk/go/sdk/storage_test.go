package reeve

import (
	"strings"
	"testing"
)

func TestVolumesAreMadeAndDeleted(t *testing.T) {
	UseFakeHost(&FakeHost{Volumes: []Volume{{Name: "a", Pool: "blue", Capacity: 7}}})
	if made, err := CreateVolume("blue", NewVolume{Name: "b", Capacity: 5}); err != nil || made.Capacity != 5 {
		t.Errorf("%v %v", made, err)
	}
	if _, err := CopyVolume("blue", "b", "c"); err != nil {
		t.Error(err)
	}
	if _, err := ResizeVolume("blue", "b", 1, false); err == nil {
		t.Error("it does not shrink unasked")
	}
	if err := DeleteVolume("blue", "a"); err != nil {
		t.Error(err)
	}
	if left, err := ListVolumes("blue"); err != nil || len(left) != 2 {
		t.Errorf("%v %v", left, err)
	}
	if calls := strings.Join(fake.Calls, ", "); calls != "create blue b 5, copy blue b c, delete blue a" {
		t.Error(calls)
	}
	if _, err := GetVolume("blue", "a"); err == nil || err.Error() != "the host answered: pool 'blue' has no volume 'a'" {
		t.Error(err)
	}
	if changes := RewriteVolume(VolumeChanges{}).Changes(); changes == nil || changes.Name != nil {
		t.Error(changes)
	}
}
