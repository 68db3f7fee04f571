//! Who answers the calls of a policy: the host, or in native tests what the test says.

const builtin = @import("builtin");

/// True in a component, false in a native test.
pub const in_component = builtin.cpu.arch == .wasm32;

const answers = if (in_component) @import("wasm.zig") else @import("testing.zig");

/// What stands for a domain.
pub const Handle = answers.Handle;
/// The value of a getter of a domain.
pub const get = answers.get;
pub const domains = answers.domains;
pub const host = answers.host;
pub const networks = answers.networks;
pub const pools = answers.pools;
pub const volumes = answers.volumes;
pub const migratedDisks = answers.migratedDisks;
pub const kv = answers.kv;
pub const clock = answers.clock;
/// Writes a line to the daemon's log.
pub const write = answers.write;
