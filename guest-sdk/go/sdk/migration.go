package reeve

// Peer is one end of a journey.
type Peer struct {
	// Name is that of the host.
	Name string
	// Version is that of its daemon, e.g. 1.4.0.
	Version string
}

// Journey is one from host to host.
type Journey struct {
	// ID names the migration on both hosts.
	ID string
	// Source is where the guest runs.
	Source Peer
	// Destination is where it goes.
	Destination Peer
	// SameMachine says that both ends are daemons of the same machine: a path means the same file to both.
	SameMachine bool
	// Transport is how the ends talk: unix, tcp or tls.
	Transport string
	// Unchecked says that the operator asked for it whatever may be unsafe.
	Unchecked bool
	// Persistent says that a definition stays at the destination.
	Persistent bool
}

// Way is how the content of a disk gets to the destination.
type Way uint8

// The ways.
const (
	// Shared disks stay where they are: the destination opens the same storage, which both hosts must see.
	Shared Way = iota
	// Copied disks go along with the guest, with all that they show.
	Copied
	// CopiedAboveBacking is what the active image has itself; its backing file is at the destination.
	CopiedAboveBacking
)

// CacheMode is how the host caches what the guest writes. A document that says nothing means writeback.
type CacheMode uint8

// The modes.
const (
	CachedNone CacheMode = iota
	CachedWritethrough
	CachedWriteback
	CachedDirectsync
	CachedUnsafe
)

// MigratedDisk is a disk of a guest that moves.
type MigratedDisk struct {
	// Target is its name, e.g. vda.
	Target string
	// Device is what it is to the guest: disk, cdrom, floppy or lun.
	Device string
	// Source is the type of its source: file, block, volume or another word of the document.
	Source string
	// Path is the file or device node that has it; nil where there is none.
	Path *string
	// Pool and Volume name a volume; nil for other sources.
	Pool, Volume *string
	// Format is that of its image; nil means raw.
	Format *string
	// Capacity is what the guest sees, bytes; nil where the source does not tell.
	Capacity *uint64
	// Allocation is what its active image takes of the source's storage, bytes; nil where the source does not tell.
	Allocation *uint64
	// FileSystem is the kind that has its file on the source, e.g. nfs; nil where it is not known.
	FileSystem *string
	// Readonly says that the guest can't write it.
	Readonly bool
	// Shareable says that several domains may have it.
	Shareable bool
	// Cache is how the host caches it.
	Cache CacheMode
	// Coherent says that another host that opens the same storage sees all that was written.
	Coherent bool
	// Way is how its content gets to the destination.
	Way Way
	// Backing is the backing file that the destination must have; of CopiedAboveBacking only.
	Backing *string
}

// Capabilities are what both hosts offer.
type Capabilities struct {
	// Compression says that pages may be compressed.
	Compression bool
	// Streams are the most that pages may come over; 1 is one.
	Streams uint16
	// PostCopy says that the guest may go on at the destination before all of its memory is there.
	PostCopy bool
}

// MigrationLimits are what the operator allows. The host holds to them whatever a strategy says.
type MigrationLimits struct {
	// MaxDowntimeUs are the microseconds that the guest may stand still, as far as that can be foreseen.
	MaxDowntimeUs uint64
	// Bandwidth is bytes a second while the guest runs; nil is as many as the connection takes.
	Bandwidth *uint64
	// MaxThrottle is the most hundredths of its time that the guest may lose; 0 never holds it back.
	MaxThrottle uint8
	// MaxRounds are those after which the guest stays where it is.
	MaxRounds uint32
}

// MigrationPlan is how a migration begins.
type MigrationPlan struct {
	// MaxDowntimeUs are the microseconds that the guest may stand still; at most the operator's limit.
	MaxDowntimeUs uint64
	// Compress pages.
	Compress bool
	// Streams that pages go over, from 1.
	Streams uint16
}

// Round is what one round did, and what it left.
type Round struct {
	// Number of the round, from 1.
	Number uint32
	// ElapsedUs are the microseconds since the migration began.
	ElapsedUs uint64
	// DurationUs are the microseconds that the round took.
	DurationUs uint64
	// Pages that were sent in it, zeros included. A page has 4096 bytes.
	Pages uint64
	// ZeroPages are those of them that were zero.
	ZeroPages uint64
	// Sent are the bytes that went over the connection in it.
	Sent uint64
	// DirtyPages are those that the guest wrote meanwhile: what the next round sends.
	DirtyPages uint64
	// Bandwidth is the bytes a second that the connection took.
	Bandwidth uint64
	// ExpectedDowntimeUs are the microseconds that the guest would stand still if this were the last round.
	ExpectedDowntimeUs uint64
	// MaxDowntimeUs is the limit for that, by the strategy or the operator, whichever is lower.
	MaxDowntimeUs uint64
	// Throttle is the hundredths of its time that the guest loses.
	Throttle uint8
	// Compressed says that pages are compressed.
	Compressed bool
	// Streams that pages go over.
	Streams uint16
}

// Progress is all that a strategy decides on.
type Progress struct {
	// Capabilities are what both hosts offer.
	Capabilities Capabilities
	// Limits are what the operator allows now; they may change while the guest moves.
	Limits MigrationLimits
	// Rounds are the last, at most 16, the newest last.
	Rounds []Round
}

// Step is what comes after a round: one of the types below.
type Step interface{ step() }

type (
	// NextRound is another round.
	NextRound struct{}
	// Throttle is another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit.
	Throttle uint8
	// SetMaxDowntime is another limit, in microseconds, for the time that the guest stands still, then another round; cut at the
	// operator's limit.
	SetMaxDowntime uint64
	// Compress is another round, compressed from now on, where both hosts can.
	Compress struct{}
	// AddStreams is so many more streams, as far as both hosts can, then another round.
	AddStreams uint16
	// SwitchToPostCopy lets the guest go on at the destination, which fetches what it misses; another round where that is not offered.
	SwitchToPostCopy struct{}
	// StopAndCopy lets the guest stand still and sends the rest; another round where that would take longer than the operator allows.
	StopAndCopy struct{}
	// Abort ends it, and the guest stays where it is; the reason, one sentence, reaches the one who asked.
	Abort string
)

func (NextRound) step()        {}
func (Throttle) step()         {}
func (SetMaxDowntime) step()   {}
func (Compress) step()         {}
func (AddStreams) step()       {}
func (SwitchToPostCopy) step() {}
func (StopAndCopy) step()      {}
func (Abort) step()            {}

// MigrationGuard answers migrate-out and migrate-in.
type MigrationGuard func(ctx Context, domain *Domain, journey Journey) (Verdict, error)

// Strategy answers migration-strategy. Only NextStep must be there.
type Strategy struct {
	// Precheck says whether a migration may begin: an empty text, or one sentence why not. Without it nothing is objected to.
	Precheck func(ctx Context, domain *Domain, journey Journey) (string, error)
	// Plan says how it begins. Without it a migration begins with the operator's limits, over one stream.
	Plan func(ctx Context, offered Capabilities, limits MigrationLimits, journey Journey) (MigrationPlan, error)
	// NextStep says what comes after a round, the last of now.Rounds.
	NextStep func(ctx Context, now Progress) (Step, error)
}
