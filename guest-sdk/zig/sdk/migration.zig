//! Guests that move to another host: what guards and strategies are told, and what a strategy answers.

const answer = @import("answer.zig");
const backend = @import("backend.zig");

/// One end of a journey.
pub const Peer = struct {
    /// Name of the host.
    name: []const u8 = "test",
    /// Version of its daemon, e.g. `1.4.0`.
    version: []const u8 = "0.1.0",
};

/// A journey from host to host.
pub const Journey = struct {
    /// Names the migration on both hosts.
    id: []const u8 = "test",
    /// Where the guest runs.
    source: Peer = .{ .name = "source" },
    /// Where it goes.
    destination: Peer = .{ .name = "destination" },
    /// Both ends are daemons of the same machine: a path means the same file to both.
    same_machine: bool = false,
    /// How the ends talk: `unix`, `tcp` or `tls`.
    transport: []const u8 = "tls",
    /// The operator asked for it whatever may be unsafe.
    unchecked: bool = false,
    /// A definition stays at the destination.
    persistent: bool = true,
};

/// How the content of a disk gets to the destination.
pub const Way = enum(u8) {
    /// It does not: the destination opens the same storage, which both hosts must see.
    shared,
    /// All that the disk shows goes along with the guest.
    copied,
    /// What the active image has itself goes along; its backing file is at the destination.
    copied_above_backing,
};

/// How the host caches what the guest writes. A document that says nothing means `writeback`.
pub const CacheMode = enum(u8) { none, writethrough, writeback, directsync, unsafe };

/// A disk of a guest that moves.
pub const Disk = struct {
    /// Its target, e.g. `vda`.
    target: []const u8 = "vda",
    /// What it is to the guest: `disk`, `cdrom`, `floppy` or `lun`.
    device: []const u8 = "disk",
    /// Type of its source: `file`, `block`, `volume` or another word of the document.
    source: []const u8 = "file",
    /// File or device node that has it; null where there is none.
    path: ?[]const u8 = null,
    /// Pool of a volume.
    pool: ?[]const u8 = null,
    /// Name of a volume in its pool.
    volume: ?[]const u8 = null,
    /// Format of its image; null means `raw`.
    format: ?[]const u8 = null,
    /// What the guest sees, bytes; null where the source does not tell.
    capacity: ?u64 = null,
    /// What its active image takes of the source's storage, bytes; null where the source does not tell.
    allocation: ?u64 = null,
    /// Kind of the file system that has its file on the source, e.g. `nfs`; null where it is not known.
    file_system: ?[]const u8 = null,
    /// The guest can't write it.
    readonly: bool = false,
    /// Several domains may have it.
    shareable: bool = false,
    /// How the host caches it.
    cache: CacheMode = .none,
    /// Another host that opens the same storage sees all that was written.
    coherent: bool = true,
    /// How its content gets to the destination.
    way: Way = .shared,
    /// The backing file that the destination must have; of `copied_above_backing` only.
    backing: ?[]const u8 = null,
};

/// The disks of the guest that a hook of migrations is asked about: of the document that the hook looks at, those of a strategy of the
/// domain as it runs. None in hooks that are asked about no migration. A policy that answers no hook of migrations does not compile with it.
pub fn disks() []const Disk {
    return backend.migratedDisks();
}

/// What both hosts offer.
pub const Capabilities = struct {
    /// Pages may be compressed.
    compression: bool = false,
    /// Most streams that pages may come over; 1 is one.
    streams: u16 = 1,
    /// The guest may go on at the destination before all of its memory is there.
    post_copy: bool = false,
};

/// What the operator allows. The host holds to it whatever a strategy says.
pub const Limits = struct {
    /// Microseconds that the guest may stand still, as far as that can be foreseen.
    max_downtime_us: u64 = 300_000,
    /// Bytes a second while the guest runs; null is as many as the connection takes.
    bandwidth: ?u64 = null,
    /// Most hundredths of its time that the guest may lose; 0 never holds it back.
    max_throttle: u8 = 99,
    /// Rounds after which the guest stays where it is.
    max_rounds: u32 = 100,
};

/// How a migration begins.
pub const Plan = struct {
    /// Microseconds that the guest may stand still; at most the operator's limit.
    max_downtime_us: u64,
    /// Compress pages.
    compress: bool = false,
    /// Streams that pages go over, from 1.
    streams: u16 = 1,
};

/// What one round did, and what it left.
pub const Round = struct {
    /// Number of the round, from 1.
    number: u32 = 1,
    /// Microseconds since the migration began.
    elapsed_us: u64 = 0,
    /// Microseconds that the round took.
    duration_us: u64 = 0,
    /// Pages that were sent in it, zeros included. A page has 4096 bytes.
    pages: u64 = 0,
    /// Those of them that were zero.
    zero_pages: u64 = 0,
    /// Bytes that went over the connection in it.
    sent: u64 = 0,
    /// Pages that the guest wrote meanwhile: what the next round sends.
    dirty_pages: u64 = 0,
    /// Bytes a second that the connection took.
    bandwidth: u64 = 0,
    /// Microseconds that the guest would stand still if this were the last round.
    expected_downtime_us: u64 = 0,
    /// The limit for that, by the strategy or the operator, whichever is lower.
    max_downtime_us: u64 = 300_000,
    /// Hundredths of its time that the guest loses.
    throttle: u8 = 0,
    /// Pages are compressed.
    compressed: bool = false,
    /// Streams that pages go over.
    streams: u16 = 1,
};

/// All that a strategy decides on.
pub const Progress = struct {
    /// What both hosts offer.
    capabilities: Capabilities = .{},
    /// What the operator allows now; it may change while the guest moves.
    limits: Limits = .{},
    /// The last rounds, at most 16, the newest last.
    rounds: []const Round = &.{},
};

/// What comes after a round: `.stop_and_copy`, `.{ .throttle = 20 }`…
pub const Step = union(enum) {
    /// Another round.
    @"continue",
    /// Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit.
    throttle: u8,
    /// Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit.
    set_max_downtime: u64,
    /// Compressed from now on, where both hosts can, then another round.
    compress,
    /// So many more streams, as far as both hosts can, then another round.
    add_streams: u16,
    /// The guest goes on at the destination, which fetches what it misses; another round where that is not offered.
    switch_to_post_copy,
    /// The guest stands still and the rest is sent; another round where that would take longer than the operator allows.
    stop_and_copy,
    /// It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked.
    abort: []const u8,
};

/// The migration ends, for this reason: one sentence for the one who asked, of which the host keeps 1024 bytes.
pub fn abort(comptime sentence: []const u8, arguments: anytype) Step {
    return .{ .abort = answer.format(sentence, arguments) };
}
