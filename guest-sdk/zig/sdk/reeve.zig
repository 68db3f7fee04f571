//! Reeve policies in Zig: everything a policy uses.
//!
//! A policy is `policy.zig` with one public function for each hook that `policy.toml` names: `domainDefine`, `domainPrepare`,
//! `domainStart`, `domainStop`, `deviceAttach`, `deviceDetach`, `domainEvents`, `daemonEvents`, `macAllocate`, `ksmTune`, `task`,
//! `networkStart`, `networkStop`, `portPlug`, `networkEvents`, `filterGenerate`, `poolStart`, `volumeCreate`, `volumeResize`,
//! `volumeDelete`, `storageEvents`, `cloneName`, `migrateOut`, `migrateIn`; for `migration-strategy` it is `migrationStep`, and
//! `migrationPrecheck` and `migrationPlan` where it wants them.
//!
//!     const reeve = @import("reeve");
//!
//!     /// No domain may have more than 64 vCPUs.
//!     pub fn domainDefine(_: reeve.Context, domain: reeve.Domain) !reeve.Verdict {
//!         const vcpus = domain.vcpus();
//!         return if (vcpus <= 64) .allow else reeve.deny("{d} vCPUs; this host allows 64 at most", .{vcpus});
//!     }
//!
//! An error means that the policy could not decide: the binding's failure mode then does. Nothing needs to be freed: what a call
//! allocates is gone when it has ended.

const std = @import("std");
const answer = @import("answer.zig");
const backend = @import("backend.zig");
const types = @import("types.zig");

pub const Context = types.Context;
pub const Actor = types.Actor;
pub const Verdict = types.Verdict;
pub const Edit = types.Edit;
pub const HostError = types.HostError;

pub const Domain = @import("domain.zig").Domain;
pub const State = types.State;
pub const Disk = types.Disk;
pub const NetworkInterface = types.NetworkInterface;
pub const Balloon = types.Balloon;

pub const Summary = types.Summary;
pub const Commitment = types.Commitment;
pub const Info = types.Info;
pub const Memory = types.Memory;
pub const Ksm = types.Ksm;

pub const DomainEvent = types.DomainEvent;
pub const DomainChange = types.DomainChange;
pub const DaemonChange = types.DaemonChange;
pub const Snapshot = types.Snapshot;
pub const Wake = types.Wake;
pub const Adjustment = types.Adjustment;
pub const Occasion = types.Occasion;
pub const Timing = types.Timing;

pub const deny = answer.deny;
pub const rewrite = answer.rewrite;
pub const fail = answer.fail;
pub const format = answer.format;
pub const problem = answer.problem;

/// The domains of this host.
pub const domains = backend.domains;
/// The virtual networks of this host, to read, and what happens to them.
pub const networks = @import("networks.zig");
/// Storage pools and their volumes: to read and to change, what guards are asked about them, and what happens to them.
pub const storage = @import("storage.zig");
/// Guests that move to another host: what guards and strategies are told and answer.
pub const migration = @import("migration.zig");
/// Packet filters: what `filterGenerate` gets and gives.
pub const filter = @import("filter.zig");
/// The host machine.
pub const host = backend.host;
/// Values that outlive a call.
pub const kv = backend.kv;
/// Time and waiting.
pub const clock = backend.clock;
/// Lines for the daemon's log.
pub const log = @import("log.zig");

/// Memory of this call. It is never short of memory without ending the call.
pub const allocator: std.mem.Allocator = @import("memory.zig").allocator;

/// A host and domains of a test's own.
pub const testing = @import("testing.zig");

/// Exports the hooks of the manifest; the build calls it.
pub fn exportHooks(comptime policy: type) void {
    @import("hooks.zig").exportAll(policy);
}

test {
    std.testing.refAllDecls(@This());
    _ = @import("config.zig");
}
