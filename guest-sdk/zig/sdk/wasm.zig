//! The host, by the bindings that every build generates from the contract.

const answer = @import("answer.zig");
const convert = @import("convert.zig");
const log = @import("log.zig");
const migration = @import("migration.zig");
const net = @import("networks.zig");
const storage = @import("storage.zig");
const types = @import("types.zig");
const Domain = @import("domain.zig").Domain;

/// The C bindings of the policy's world.
pub const c = @cImport(@cInclude("bindings.h"));

/// A resource of the host.
pub const Handle = i32;

/// The value of a getter of a domain.
pub fn get(comptime T: type, comptime getter: []const u8, handle: Handle) T {
    const function = @field(c, "reeve_domain_config_method_domain_config_" ++ getter);
    const domain: c.reeve_domain_config_borrow_domain_config_t = .{ .__handle = handle };
    const parameters = @typeInfo(@TypeOf(function)).@"fn".params;
    if (parameters.len == 1) return convert.lift(T, function(domain));
    var out: @typeInfo(parameters[1].type.?).pointer.child = undefined;
    if (@typeInfo(T) == .optional) {
        return if (function(domain, &out)) convert.lift(@typeInfo(T).optional.child, out) else null;
    }
    function(domain, &out);
    return convert.lift(T, out);
}

/// Calls a function of the host that can fail.
fn call(comptime T: type, comptime function: anytype, arguments: anytype) types.HostError!T {
    const parameters = @typeInfo(@TypeOf(function)).@"fn".params;
    var failed: c.reeve_types_errors_error_t = undefined;
    if (T == void) {
        if (!@call(.auto, function, arguments ++ .{&failed})) return problem(failed);
    } else {
        var out: @typeInfo(parameters[parameters.len - 2].type.?).pointer.child = undefined;
        if (!@call(.auto, function, arguments ++ .{ &out, &failed })) return problem(failed);
        return convert.lift(T, out);
    }
}

fn problem(failed: c.reeve_types_errors_error_t) types.HostError {
    const code = if (failed.code < types.codes.len) types.codes[failed.code] else error.Internal;
    const sentence = convert.lift([]const u8, failed.message);
    return answer.because(code, answer.format("the host answered: {s}", .{sentence}));
}

fn text(value: []const u8) c.bindings_string_t {
    return .{ .ptr = @constCast(value.ptr), .len = value.len };
}

/// Functions that read need the grant `domain:read`, the others the grant named with each. Those that change something may only be
/// called from notify hooks, tuners and tasks.
pub const domains = struct {
    /// All domains the policy may read, ordered by name.
    pub fn list() types.HostError![]const types.Summary {
        return call([]const types.Summary, c.reeve_domain_domains_list, .{});
    }

    /// One domain by name or UUID.
    pub fn get(name: []const u8) types.HostError!Domain {
        var asked = text(name);
        var own: c.reeve_domain_domains_own_domain_config_t = undefined;
        var failed: c.reeve_types_errors_error_t = undefined;
        if (!c.reeve_domain_domains_get(&asked, &own, &failed)) return problem(failed);
        return .{ .handle = own.__handle };
    }

    /// Sums over all active domains but the one with the UUID `except`.
    pub fn committed(except: ?[]const u8) types.HostError!types.Commitment {
        var asked = text(except orelse "");
        return call(types.Commitment, c.reeve_domain_domains_committed, .{if (except == null) null else &asked});
    }

    /// Starts a defined domain. Needs `domain:start`.
    pub fn start(name: []const u8) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_start, .{&asked});
    }

    /// Asks the guest to shut down; answers before it has. Needs `domain:shutdown`.
    pub fn shutdown(name: []const u8) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_shutdown, .{&asked});
    }

    /// Stops it by force. Needs `domain:destroy`.
    pub fn destroy(name: []const u8) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_destroy, .{&asked});
    }

    /// Stops its vCPUs. Needs `domain:suspend`.
    pub fn @"suspend"(name: []const u8) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_suspend, .{&asked});
    }

    /// Lets its vCPUs run again. Needs `domain:suspend`.
    pub fn @"resume"(name: []const u8) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_resume, .{&asked});
    }

    /// Sets the balloon target, bytes, clamped to the domain's maximum. Needs `domain:configure`.
    pub fn setMemory(name: []const u8, target: u64) types.HostError!void {
        var asked = text(name);
        return call(void, c.reeve_domain_domains_set_memory, .{ &asked, target });
    }
};

/// Every function needs the grant `network:read`.
pub const networks = struct {
    /// All networks by name.
    pub fn list() types.HostError![]const net.Network {
        return call([]const net.Network, c.reeve_network_networks_list, .{});
    }

    /// One network by name.
    pub fn get(name: []const u8) types.HostError!net.Network {
        var asked = text(name);
        return call(net.Network, c.reeve_network_networks_get, .{&asked});
    }

    /// Ports of one network.
    pub fn ports(network: []const u8) types.HostError![]const net.Port {
        var asked = text(network);
        return call([]const net.Port, c.reeve_network_networks_ports, .{&asked});
    }

    /// Leases of one network that have not expired.
    pub fn leases(network: []const u8) types.HostError![]const net.Lease {
        var asked = text(network);
        return call([]const net.Lease, c.reeve_network_networks_leases, .{&asked});
    }

    /// Counters of a port of one network, by its link.
    pub fn portCounters(network: []const u8, link: []const u8) types.HostError!net.Counters {
        var asked = text(network);
        var port = text(link);
        return call(net.Counters, c.reeve_network_networks_port_counters, .{ &asked, &port });
    }
};

/// Every function needs the grant `pool:read`.
pub const pools = struct {
    /// All pools by name.
    pub fn list() types.HostError![]const storage.Pool {
        return call([]const storage.Pool, c.reeve_storage_pools_list, .{});
    }

    /// One pool by name.
    pub fn get(name: []const u8) types.HostError!storage.Pool {
        var asked = text(name);
        return call(storage.Pool, c.reeve_storage_pools_get, .{&asked});
    }
};

/// The grants stand in storage.zig.
pub const volumes = struct {
    pub fn list(pool: []const u8) types.HostError![]const storage.Volume {
        var of = text(pool);
        return call([]const storage.Volume, c.reeve_storage_volumes_list, .{&of});
    }

    pub fn get(pool: []const u8, name: []const u8) types.HostError!storage.Volume {
        var of = text(pool);
        var asked = text(name);
        return call(storage.Volume, c.reeve_storage_volumes_get, .{ &of, &asked });
    }

    pub fn create(pool: []const u8, wanted: storage.NewVolume) types.HostError!storage.Volume {
        var of = text(pool);
        var asked: c.reeve_storage_volumes_new_volume_t = undefined;
        convert.lower(&asked, wanted);
        return call(storage.Volume, c.reeve_storage_volumes_create, .{ &of, &asked });
    }

    pub fn copy(pool: []const u8, source: []const u8, name: []const u8) types.HostError!storage.Volume {
        var of = text(pool);
        var original = text(source);
        var asked = text(name);
        return call(storage.Volume, c.reeve_storage_volumes_copy, .{ &of, &original, &asked });
    }

    pub fn resize(pool: []const u8, name: []const u8, capacity: u64, shrink: bool) types.HostError!storage.Volume {
        var of = text(pool);
        var asked = text(name);
        return call(storage.Volume, c.reeve_storage_volumes_resize, .{ &of, &asked, capacity, shrink });
    }

    pub fn delete(pool: []const u8, name: []const u8) types.HostError!void {
        var of = text(pool);
        var asked = text(name);
        return call(void, c.reeve_storage_volumes_delete, .{ &of, &asked });
    }

    pub fn read(pool: []const u8, name: []const u8, offset: u64, length: u32) types.HostError![]const u8 {
        var of = text(pool);
        var asked = text(name);
        return call([]const u8, c.reeve_storage_volumes_read, .{ &of, &asked, offset, length });
    }

    pub fn write(pool: []const u8, name: []const u8, offset: u64, data: []const u8) types.HostError!void {
        var of = text(pool);
        var asked = text(name);
        var bytes: c.bindings_list_u8_t = .{ .ptr = @constCast(data.ptr), .len = data.len };
        return call(void, c.reeve_storage_volumes_write, .{ &of, &asked, offset, &bytes });
    }
};

/// The disks of the guest that moves.
pub fn migratedDisks() []const migration.Disk {
    var out: c.reeve_migration_disks_list_migrated_disk_t = undefined;
    c.reeve_migration_disks_list(&out);
    return convert.lift([]const migration.Disk, out);
}

/// Every function needs the grant `node:read`.
pub const host = struct {
    /// The machine.
    pub fn getInfo() types.HostError!types.Info {
        return call(types.Info, c.reeve_node_host_get_info, .{});
    }

    /// Memory now.
    pub fn getMemory() types.HostError!types.Memory {
        return call(types.Memory, c.reeve_node_host_get_memory, .{});
    }

    /// Samepage merging now.
    pub fn getKsm() types.HostError!types.Ksm {
        return call(types.Ksm, c.reeve_node_ksm_get, .{});
    }
};

/// Every function needs the grant `kv:use`.
pub const kv = struct {
    /// The value of a key; null when it was never set. Keys are 1 to 256 bytes.
    pub fn get(key: []const u8) types.HostError!?[]const u8 {
        var asked = text(key);
        return call(?[]const u8, c.reeve_kv_store_get, .{&asked});
    }

    /// Sets a value. Over the quota it fails and nothing changes.
    pub fn set(key: []const u8, value: []const u8) types.HostError!void {
        var asked = text(key);
        var bytes: c.bindings_list_u8_t = .{ .ptr = @constCast(value.ptr), .len = value.len };
        return call(void, c.reeve_kv_store_set, .{ &asked, &bytes });
    }

    /// Removes a key; true when it was there.
    pub fn delete(key: []const u8) types.HostError!bool {
        var asked = text(key);
        return call(bool, c.reeve_kv_store_delete, .{&asked});
    }

    /// Keys that begin with `prefix`, in byte order, at most 1000.
    pub fn keys(prefix: []const u8) types.HostError![]const []const u8 {
        var asked = text(prefix);
        return call([]const []const u8, c.reeve_kv_store_keys, .{&asked});
    }
};

/// The host's clock needs no grant.
pub const clock = struct {
    /// Milliseconds since the Unix epoch, UTC.
    pub fn now() u64 {
        return c.reeve_clock_clock_now();
    }

    /// Nanoseconds on a clock that never goes back; only differences mean something.
    pub fn monotonic() u64 {
        return c.reeve_clock_clock_monotonic();
    }

    /// Waits so many milliseconds, 0 to 60000. Only tasks may wait: a policy that answers no `task` does not compile with it.
    pub fn pause(milliseconds: u32) types.HostError!void {
        return call(void, c.reeve_clock_timer_pause, .{milliseconds});
    }
};

/// Writes a line to the daemon's log.
pub fn write(level: log.Level, line: []const u8) void {
    var message = text(line);
    c.reeve_log_log_write(@intFromEnum(level), &message);
}
