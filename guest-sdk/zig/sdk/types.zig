//! The types of the contract, with its names and in its order: the bindings are converted by them.

const config = @import("config.zig");

/// Who caused a call.
pub const Actor = union(enum) {
    /// A client of the API, by its user id.
    client: u32,
    /// Another policy, by name.
    policy: []const u8,
    /// The daemon itself: autostart, recovery, crash handling.
    daemon,
};

/// The circumstances of one call.
pub const Context = struct {
    /// Identifies this call in the decision log; unique per daemon.
    call_id: []const u8,
    /// When the verb began, milliseconds since the Unix epoch, UTC.
    time: u64,
    /// On whose behalf the verb runs.
    actor: Actor,
    /// The operator's configuration as JSON text; read it with `parseConfig`.
    config: []const u8,
    /// 1 for the first call for this event; higher when a notify hook is tried again.
    attempt: u32,

    /// The configuration as a struct of the policy's own; see `config.parse`.
    pub fn parseConfig(self: Context, comptime T: type) config.Error!T {
        return config.parse(T, self.config);
    }
};

/// Argument of `set_disk_cache`.
pub const DiskCache = struct { target: []const u8, cache: []const u8 };

/// Argument of `set_interface_source`.
pub const InterfaceSource = struct { mac: []const u8, attribute: []const u8, value: []const u8 };

/// One change to a domain document.
pub const Edit = union(enum) {
    /// Maximum memory in bytes; current memory is lowered to it when above.
    set_memory: u64,
    /// Current memory in bytes, at most the maximum.
    set_current_memory: u64,
    /// Maximum vCPUs, at least 1.
    set_vcpus: u32,
    /// CPU weight.
    set_cpu_shares: u64,
    /// Cache mode of a disk: none, writethrough, writeback, directsync or unsafe.
    set_disk_cache: DiskCache,
    /// One attribute of the `<source>` of the interface with this MAC address.
    set_interface_source: InterfaceSource,
    /// Title, one line; empty removes it.
    set_title: []const u8,
    /// Kernel command line.
    set_cmdline: []const u8,
    /// One application's child of `<metadata>` as XML text.
    set_metadata: []const u8,
    /// A new device as XML text.
    add_device: []const u8,
    /// Takes a device out, by its alias or the target of a disk or interface.
    remove_device: []const u8,
    /// The whole document as XML text; name and UUID must stay.
    replace: []const u8,
};

/// What a guard says.
pub const Verdict = union(enum) {
    /// No objection.
    allow,
    /// Stop, for this reason; make it with `deny`.
    deny: []const u8,
    /// Go on with these changes; make it with `rewrite`.
    rewrite: []const Edit,
};

/// Why a host call failed: the contract's codes. The host's sentence is in `reeve.problem()`.
pub const HostError = error{
    NotFound,
    AlreadyExists,
    Denied,
    Invalid,
    WrongState,
    Busy,
    Unsupported,
    Deadline,
    Internal,
};

/// The errors in the order of the contract's codes.
pub const codes = [_]HostError{
    error.NotFound,
    error.AlreadyExists,
    error.Denied,
    error.Invalid,
    error.WrongState,
    error.Busy,
    error.Unsupported,
    error.Deadline,
    error.Internal,
};

/// What a domain is doing.
pub const State = enum(u8) { running, idle, paused, in_shutdown, shut_off, crashed, pm_suspended };

/// One disk. Optional texts are null when the document does not say.
pub const Disk = struct {
    /// Target name, e.g. `vda`.
    target: []const u8,
    /// `disk`, `cdrom`, `floppy` or `lun`.
    device: []const u8 = "disk",
    /// Path of the image or block device.
    source: ?[]const u8 = null,
    /// `raw`, `qcow2`…
    format: ?[]const u8 = null,
    /// Cache mode.
    cache: ?[]const u8 = null,
    /// Bus, e.g. `virtio`.
    bus: ?[]const u8 = null,
    /// True when the guest may not write.
    readonly: bool = false,
    /// True when several domains may write.
    shareable: bool = false,
};

/// One attribute of an interface's source.
pub const Attribute = struct { name: []const u8, value: []const u8 };

/// One network interface.
pub const NetworkInterface = struct {
    /// `ethernet`, `bridge`, `network`, `direct`…
    kind: []const u8,
    /// Attributes of `<source>`.
    source: []const Attribute = &.{},
    /// MAC address, lower case with colons; null before one is allocated.
    mac: ?[]const u8 = null,
    /// Name of the host's tap; null when the host chooses.
    target: ?[]const u8 = null,
    /// `virtio`, …
    model: ?[]const u8 = null,
};

/// A memory balloon.
pub const Balloon = struct {
    /// `virtio` or `none`.
    model: []const u8,
    /// Period of statistics in seconds; null when off.
    stats_period: ?u32 = null,
};

/// One row of a list of domains.
pub const Summary = struct { uuid: []const u8, name: []const u8, state: State, persistent: bool, autostart: bool };

/// What all active domains together may use.
pub const Commitment = struct {
    /// Active domains.
    active: u32 = 0,
    /// Sum of their maximum memory, bytes.
    memory: u64 = 0,
    /// Sum of their vCPUs.
    vcpus: u32 = 0,
};

/// The host machine.
pub const Info = struct { hostname: []const u8 = "host", cpus: u32 = 0, memory: u64 = 0, numa_cells: u32 = 1 };

/// Memory of the host at one moment, bytes.
pub const Memory = struct {
    total: u64 = 0,
    free: u64 = 0,
    available: u64 = 0,
    cached: u64 = 0,
    buffers: u64 = 0,
    swap_total: u64 = 0,
    swap_free: u64 = 0,
};

/// Kernel samepage merging.
pub const Ksm = struct {
    /// 0 stopped, 1 running, 2 stopped and all pages unmerged.
    run: u8 = 0,
    pages_to_scan: u64 = 0,
    sleep_millisecs: u64 = 0,
    /// Null where the kernel has no such switch.
    merge_across_nodes: ?bool = null,
    pages_shared: u64 = 0,
    pages_sharing: u64 = 0,
    pages_unshared: u64 = 0,
    pages_volatile: u64 = 0,
    full_scans: u64 = 0,
};

/// What happened to a domain.
pub const DomainChange = enum(u8) {
    defined,
    undefined,
    started,
    suspended,
    resumed,
    shutdown_requested,
    rebooted,
    stopped,
    released,
    crashed,
    reconnected,
    device_attached,
    device_detached,
    changed,
};

/// One event of a domain's life.
pub const DomainEvent = struct {
    /// Position on the event bus; it grows.
    seq: u64,
    uuid: []const u8,
    name: []const u8,
    change: DomainChange,
    /// Its state afterwards.
    state: State,
    /// Why it is in that state, e.g. `booted`.
    reason: []const u8,
};

/// What happened to the daemon.
pub const DaemonChange = enum(u8) { started, stopping, reloaded };

/// Why a tuner is asked.
pub const Wake = enum(u8) { interval, domains_changed };

/// What a KSM tuner decides on; all of one moment.
pub const Snapshot = struct {
    memory: Memory,
    ksm: Ksm,
    /// Sum of the maximum memory of all active domains that may be merged, bytes.
    committed: u64,
    active_domains: u32,
    wake: Wake,
};

/// One change of a KSM tuner.
pub const Adjustment = union(enum) {
    /// 0 stop, 1 run, 2 stop and unmerge all pages.
    run: u8,
    /// 1 to 1000000.
    pages_to_scan: u64,
    /// 1 to 10000.
    sleep_millisecs: u64,
};

/// A moment of a task's schedule.
pub const Timing = struct {
    /// When the run was due, milliseconds since the Unix epoch.
    due: u64,
    /// True when the daemon was down at that moment.
    catch_up: bool,
};

/// Why a task runs.
pub const Occasion = union(enum) {
    /// Somebody asked for it, with these arguments.
    manual: []const []const u8,
    /// Its schedule.
    schedule: Timing,
    /// An event of a domain.
    domain: DomainEvent,
    /// An event of the daemon.
    daemon: DaemonChange,
};
