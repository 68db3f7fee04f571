//! Storage pools and the volumes of those that run: their types, functions to read and change them, and what hooks are asked and told of
//! them. Subjects of every grant are pools; the grant stands beside each function.

const answer = @import("answer.zig");
const backend = @import("backend.zig");

/// What a pool holds, bytes.
pub const Space = struct {
    capacity: u64 = 0,
    allocation: u64 = 0,
    available: u64 = 0,
};

/// One storage pool.
pub const Pool = struct {
    uuid: []const u8 = "00000000-0000-4000-8000-000000000002",
    /// Unique name.
    name: []const u8 = "test",
    /// What it is made of: `dir`, `fs`, `disk`…
    kind: []const u8 = "dir",
    /// True while it runs.
    active: bool = true,
    /// True when a definition is kept after it stops.
    persistent: bool = true,
    /// True when the daemon starts it by itself.
    autostart: bool = false,
    /// Directory of its volumes; null where it has none.
    path: ?[]const u8 = null,
    /// What it holds; null while it does not run.
    space: ?Space = null,
    /// How many volumes it has.
    volumes: u32 = 0,
};

/// One volume.
pub const Volume = struct {
    /// Name within its pool.
    name: []const u8 = "disk.img",
    /// Name of its pool.
    pool: []const u8 = "test",
    /// Unique on the host.
    key: []const u8 = "",
    /// Where it is on the host; empty while it is being made.
    path: []const u8 = "",
    /// Format of the image: `raw`, `qcow2`…
    format: []const u8 = "raw",
    /// What a guest sees, bytes; while it is resized, the larger of two.
    capacity: u64 = 1 << 30,
    /// What it takes of its pool, bytes.
    allocation: u64 = 0,
    /// The image below an overlay; null where it is none.
    backing: ?[]const u8 = null,
    /// When it was made, or else last changed, milliseconds since the Unix epoch; null of a device.
    created: ?u64 = null,
    /// False while it is being made.
    complete: bool = true,
};

/// What `create` makes.
pub const NewVolume = struct {
    name: []const u8,
    /// What a guest sees, bytes.
    capacity: u64,
    /// What is taken at once; null preallocates a raw volume whole.
    allocation: ?u64 = null,
    /// `raw` or `qcow2`; null is the pool's own.
    format: ?[]const u8 = null,
};

/// A volume that is about to be made.
pub const Plan = struct {
    name: []const u8 = "disk.img",
    /// What a guest will see; null where the host can't tell.
    capacity: ?u64 = 1 << 30,
    /// What is taken at once; null preallocates a raw volume whole.
    allocation: ?u64 = null,
    /// Format of the image; null is the pool's own.
    format: ?[]const u8 = null,
    /// The image below it; null where it is no overlay.
    backing: ?[]const u8 = null,
    /// What it is a copy of; null where it begins with zeroes.
    source: ?Volume = null,
    /// The whole document.
    xml: []const u8 = "",
};

/// Changes to the document of a new volume; what is null stays.
pub const Changes = struct {
    name: ?[]const u8 = null,
    capacity: ?u64 = null,
    allocation: ?u64 = null,
};

/// What the guard of a new volume answers: `.allow`, `reeve.storage.deny(…)` or `.{ .rewrite = .{ .name = … } }`.
pub const Verdict = union(enum) {
    allow,
    deny: []const u8,
    rewrite: Changes,
};

/// No new volume, for this reason: one sentence for the one who asked.
pub fn deny(comptime sentence: []const u8, arguments: anytype) Verdict {
    return .{ .deny = answer.format(sentence, arguments) };
}

/// What happened to a pool or its volumes.
pub const Change = enum(u8) {
    defined,
    undefined,
    /// The source of a pool was made.
    built,
    /// The daemon starts a pool by itself from now on, or not any more.
    updated,
    started,
    stopped,
    /// The source of a pool was removed.
    deleted,
    /// The volumes of a pool were read again.
    refreshed,
    /// Little of a pool is free; `detail` is how many bytes.
    low_space,
    /// Of these `detail` is the name of the volume.
    volume_created,
    volume_deleted,
    volume_resized,
    volume_wiped,
    volume_written,
};

/// One event.
pub const Event = struct {
    uuid: []const u8,
    /// Name of the pool.
    name: []const u8,
    change: Change,
    /// More of it; may be empty.
    detail: []const u8,
};

/// What is cloned.
pub const Cloned = enum(u8) { domain, volume };

/// A clone that nobody named.
pub const Clone = struct {
    kind: Cloned,
    /// Name of the original.
    source: []const u8,
    /// Pool of a volume; null of a domain.
    pool: ?[]const u8 = null,
    /// Names that are taken.
    taken: []const []const u8 = &.{},
};

/// Storage pools.
pub const pools = struct {
    /// All pools by name. Needs `pool:read`.
    pub const list = backend.pools.list;
    /// One pool by name. Needs `pool:read`.
    pub const get = backend.pools.get;
};

/// Volumes of running pools. What changes one is for notify hooks, tuners and tasks.
pub const volumes = struct {
    /// All volumes of a pool, those that are being made among them. Needs `volume:read`.
    pub const list = backend.volumes.list;
    /// One volume, looked at now. Needs `volume:read`.
    pub const get = backend.volumes.get;
    /// Makes a volume of zeroes. Needs `volume:create`.
    pub const create = backend.volumes.create;
    /// Copies a volume in the same pool. Needs `volume:create` and `volume:download`.
    pub const copy = backend.volumes.copy;
    /// Gives a volume another capacity; a smaller one only with `shrink`. Needs `volume:change`.
    pub const resize = backend.volumes.resize;
    /// Deletes a volume. Needs `volume:delete`.
    pub const delete = backend.volumes.delete;
    /// Reads what a volume holds, 1 MiB at most. Needs `volume:download`.
    pub const read = backend.volumes.read;
    /// Writes bytes, at most 1 MiB, into a volume. Needs `volume:change`.
    pub const write = backend.volumes.write;
};
