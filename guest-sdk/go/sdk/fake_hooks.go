//go:build !wasip1

package reeve

// Compiled for a test nobody asks the hooks: call the functions themselves.

// OnDomainDefine registers nothing in a test, like its sisters below.
func OnDomainDefine(Guard) {}

// OnDomainPrepare registers nothing in a test.
func OnDomainPrepare(Guard) {}

// OnDomainStart registers nothing in a test.
func OnDomainStart(Guard) {}

// OnDomainStop registers nothing in a test.
func OnDomainStop(StopGuard) {}

// OnDeviceAttach registers nothing in a test.
func OnDeviceAttach(DeviceGuard) {}

// OnDeviceDetach registers nothing in a test.
func OnDeviceDetach(DeviceGuard) {}

// OnDomainEvents registers nothing in a test.
func OnDomainEvents(DomainNotify) {}

// OnDaemonEvents registers nothing in a test.
func OnDaemonEvents(DaemonNotify) {}

// OnMACAllocate registers nothing in a test.
func OnMACAllocate(MACProposal) {}

// OnKSMTune registers nothing in a test.
func OnKSMTune(KSMTuner) {}

// OnTask registers nothing in a test.
func OnTask(Task) {}

// OnMigrateOut registers nothing in a test.
func OnMigrateOut(MigrationGuard) {}

// OnMigrateIn registers nothing in a test.
func OnMigrateIn(MigrationGuard) {}

// MigratedDisks are the fake host's.
func MigratedDisks() []MigratedDisk { return fake.MigratedDisks }

// OnMigrationStrategy registers nothing in a test.
func OnMigrationStrategy(Strategy) {}
