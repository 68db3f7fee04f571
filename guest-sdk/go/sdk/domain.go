package reeve

// State is what a domain is doing.
type State uint8

// The states.
const (
	Running State = iota
	Idle
	Paused
	InShutdown
	ShutOff
	Crashed
	PMSuspended
)

// Disk is one disk. A field with a pointer is nil where the document does not say.
type Disk struct {
	// Target is e.g. vda; unique in the domain.
	Target string
	// Device is disk, cdrom, floppy or lun.
	Device string
	// Source is the path of the image or block device.
	Source *string
	// Format is raw, qcow2…
	Format *string
	// Cache is the cache mode.
	Cache *string
	// Bus is e.g. virtio.
	Bus *string
	// Readonly is true when the guest may not write.
	Readonly bool
	// Shareable is true when several domains may write.
	Shareable bool
}

// Attribute is one attribute of an element.
type Attribute struct{ Name, Value string }

// Interface is one network interface. A field with a pointer is nil where the document does not say.
type Interface struct {
	// Kind is ethernet, bridge, network, direct…
	Kind string
	// Source are the attributes of <source>.
	Source []Attribute
	// MAC is the address, lower case with colons.
	MAC *string
	// Target is the name of the host's tap.
	Target *string
	// Model is virtio, …
	Model *string
}

// Balloon is a memory balloon.
type Balloon struct {
	// Model is virtio or none.
	Model string
	// StatsPeriod is the period of statistics in seconds; nil when off.
	StatsPeriod *uint32
}

// Domain is a snapshot of one domain's configuration. It does not change while a hook looks at it; every function is a call into the
// host.
type Domain struct{ config domainConfig }

// Name is unique.
func (d *Domain) Name() string { return d.config.Name() }

// UUID is lower case, with dashes.
func (d *Domain) UUID() string { return d.config.Uuid() }

// State is that when the hook was called.
func (d *Domain) State() State { return State(d.config.State()) }

// Title is nil where the document has none.
func (d *Domain) Title() *string { return optional(d.config.Title()) }

// Type is the driver it asks for: kvm, sim or another word.
func (d *Domain) Type() string { return d.config.DomainType() }

// Memory is that at boot and at most, bytes.
func (d *Domain) Memory() uint64 { return d.config.Memory() }

// CurrentMemory is what remains after the balloon took its share, bytes.
func (d *Domain) CurrentMemory() uint64 { return d.config.CurrentMemory() }

// VCPUs is the number at most.
func (d *Domain) VCPUs() uint32 { return d.config.Vcpus() }

// CurrentVCPUs is the number at boot.
func (d *Domain) CurrentVCPUs() uint32 { return d.config.CurrentVcpus() }

// Mergeable is true when the host may merge this guest's pages.
func (d *Domain) Mergeable() bool { return d.config.Mergeable() }

// Kernel is the path of the kernel; nil where the document has none.
func (d *Domain) Kernel() *string { return optional(d.config.Kernel()) }

// Cmdline is the kernel command line; nil where the document has none.
func (d *Domain) Cmdline() *string { return optional(d.config.Cmdline()) }

// Disks are in document order.
func (d *Domain) Disks() []Disk { return disks(d.config) }

// Interfaces are in document order.
func (d *Domain) Interfaces() []Interface { return interfaces(d.config) }

// Balloon is the memory balloon; nil where the document does not say.
func (d *Domain) Balloon() *Balloon { return balloon(d.config) }

// RNGCount is the number of random-number devices.
func (d *Domain) RNGCount() uint32 { return d.config.RngCount() }

// Metadata is the whole <metadata> element as XML text; nil where there is none.
func (d *Domain) Metadata() *string { return optional(d.config.Metadata()) }

// XML is the whole document in canonical form. Far dearer than the other functions.
func (d *Domain) XML() string { return d.config.Xml() }
