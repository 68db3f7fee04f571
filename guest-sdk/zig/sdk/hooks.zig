//! The exports of a component: for each hook of the world one function that asks the policy.

const answer = @import("answer.zig");
const convert = @import("convert.zig");
const filter = @import("filter.zig");
const memory = @import("memory.zig");
const migration = @import("migration.zig");
const networks = @import("networks.zig");
const storage = @import("storage.zig");
const types = @import("types.zig");
const wasm = @import("wasm.zig");
const c = wasm.c;
const Domain = @import("domain.zig").Domain;

const Borrow = c.reeve_domain_config_borrow_domain_config_t;
const Ctx = *c.reeve_types_policy_context_t;
const Failure = *c.reeve_types_policy_failure_t;
const Verdict = *c.reeve_types_policy_verdict_t;
const Text = *c.bindings_string_t;

/// Exports what the world asks for; a hook that the policy lacks stops the build.
pub fn exportAll(comptime policy: type) void {
    memory.exportAll();
    inline for (.{
        .{ "domain-define", "exports_reeve_hooks_domain_define_guard", "domainDefine", Guard },
        .{ "domain-prepare", "exports_reeve_hooks_domain_prepare_guard", "domainPrepare", Guard },
        .{ "domain-start", "exports_reeve_hooks_domain_start_guard", "domainStart", Guard },
        .{ "domain-stop", "exports_reeve_hooks_domain_stop_guard", "domainStop", Stop },
        .{ "migrate-out", "exports_reeve_hooks_migrate_out_guard", "migrateOut", Migrate },
        .{ "migrate-in", "exports_reeve_hooks_migrate_in_guard", "migrateIn", Migrate },
        .{ "device-attach", "exports_reeve_hooks_device_attach_guard", "deviceAttach", Device },
        .{ "device-detach", "exports_reeve_hooks_device_detach_guard", "deviceDetach", Device },
        .{ "domain-events", "exports_reeve_hooks_domain_events_notify", "domainEvents", DomainEvents },
        .{ "daemon-events", "exports_reeve_hooks_daemon_events_notify", "daemonEvents", DaemonEvents },
        .{ "mac-allocate", "exports_reeve_hooks_mac_allocate_propose", "macAllocate", MacAllocate },
        .{ "ksm-tune", "exports_reeve_tune_ksm_tune_tick", "ksmTune", KsmTune },
        .{ "task", "exports_reeve_hooks_task_run", "task", Task },
        .{ "network-start", "exports_reeve_hooks_network_start_guard", "networkStart", NetworkStart },
        .{ "network-stop", "exports_reeve_hooks_network_stop_guard", "networkStop", NetworkStop },
        .{ "port-plug", "exports_reeve_hooks_port_plug_guard", "portPlug", PortPlug },
        .{ "network-events", "exports_reeve_hooks_network_events_notify", "networkEvents", NetworkEvents },
        .{ "pool-start", "exports_reeve_hooks_pool_start_guard", "poolStart", PoolStart },
        .{ "volume-create", "exports_reeve_hooks_volume_create_guard", "volumeCreate", VolumeCreate },
        .{ "volume-resize", "exports_reeve_hooks_volume_resize_guard", "volumeResize", VolumeResize },
        .{ "volume-delete", "exports_reeve_hooks_volume_delete_guard", "volumeDelete", VolumeDelete },
        .{ "storage-events", "exports_reeve_hooks_storage_events_notify", "storageEvents", StorageEvents },
        .{ "clone-name", "exports_reeve_hooks_clone_name_propose", "cloneName", CloneName },
        .{ "filter-generate", "exports_reeve_hooks_filter_generate_propose", "filterGenerate", FilterGenerate },
    }) |hook| {
        const name, const symbol, const function, const Export = hook;
        if (@hasDecl(c, symbol)) {
            if (!@hasDecl(policy, function)) {
                @compileError("policy.toml names the hook '" ++ name ++ "', but policy.zig has no pub fn " ++ function);
            }
            @export(&Export(@field(policy, function)).call, .{ .name = symbol });
        }
    }
    exportStrategy(policy);
}

const STRATEGY = "exports_reeve_hooks_migration_strategy_";

/// A hook of three functions; without the first two a policy objects to nothing and begins with the operator's limits.
fn exportStrategy(comptime policy: type) void {
    if (!@hasDecl(c, STRATEGY ++ "next_step")) return;
    if (!@hasDecl(policy, "migrationStep")) {
        @compileError("policy.toml names the hook 'migration-strategy', but policy.zig has no pub fn migrationStep");
    }
    const precheck = if (@hasDecl(policy, "migrationPrecheck")) policy.migrationPrecheck else noObjection;
    const plan = if (@hasDecl(policy, "migrationPlan")) policy.migrationPlan else withinLimits;
    @export(&Precheck(precheck).call, .{ .name = STRATEGY ++ "precheck" });
    @export(&Plan(plan).call, .{ .name = STRATEGY ++ "plan" });
    @export(&NextStep(policy.migrationStep).call, .{ .name = STRATEGY ++ "next_step" });
}

fn noObjection(_: types.Context, _: Domain, _: migration.Journey) !?[]const u8 {
    return null;
}

fn withinLimits(
    _: types.Context,
    _: migration.Capabilities,
    limits: migration.Limits,
    _: migration.Journey,
) !migration.Plan {
    return .{ .max_downtime_us = limits.max_downtime_us };
}

/// Gives an answer where the bindings want it; false for a failure.
fn give(comptime T: type, answered: anyerror!T, out: anytype, failure: Failure) bool {
    memory.callFinished();
    if (answered) |value| {
        if (T != void) convert.lower(out, value);
        return true;
    } else |code| {
        convert.lower(&failure.message, answer.sentenceOf(code));
        return false;
    }
}

fn begin(ctx: Ctx) types.Context {
    answer.begin();
    return convert.lift(types.Context, ctx.*);
}

fn domainOf(borrow: Borrow) Domain {
    return .{ .handle = borrow.__handle };
}

fn Guard(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, domain: Borrow, out: Verdict, failure: Failure) callconv(.c) bool {
            return give(types.Verdict, function(begin(ctx), domainOf(domain)), out, failure);
        }
    };
}

fn Stop(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, domain: Borrow, forced: bool, out: Verdict, failure: Failure) callconv(.c) bool {
            return give(types.Verdict, function(begin(ctx), domainOf(domain), forced), out, failure);
        }
    };
}

fn Migrate(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            domain: Borrow,
            journey: *c.reeve_migration_journey_journey_t,
            out: Verdict,
            failure: Failure,
        ) callconv(.c) bool {
            const way = convert.lift(migration.Journey, journey.*);
            return give(types.Verdict, function(begin(ctx), domainOf(domain), way), out, failure);
        }
    };
}

fn Precheck(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            domain: Borrow,
            journey: *c.reeve_migration_journey_journey_t,
            out: *c.bindings_option_string_t,
            failure: Failure,
        ) callconv(.c) bool {
            const way = convert.lift(migration.Journey, journey.*);
            return give(?[]const u8, function(begin(ctx), domainOf(domain), way), out, failure);
        }
    };
}

fn Plan(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            offered: *c.reeve_migration_strategy_capabilities_t,
            limits: *c.reeve_migration_strategy_limits_t,
            journey: *c.reeve_migration_journey_journey_t,
            out: *c.reeve_migration_strategy_migration_plan_t,
            failure: Failure,
        ) callconv(.c) bool {
            const both = convert.lift(migration.Capabilities, offered.*);
            const allowed = convert.lift(migration.Limits, limits.*);
            const way = convert.lift(migration.Journey, journey.*);
            return give(migration.Plan, function(begin(ctx), both, allowed, way), out, failure);
        }
    };
}

fn NextStep(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            now: *c.reeve_migration_strategy_progress_t,
            out: *c.reeve_migration_strategy_step_t,
            failure: Failure,
        ) callconv(.c) bool {
            return give(migration.Step, function(begin(ctx), convert.lift(migration.Progress, now.*)), out, failure);
        }
    };
}

fn Device(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, domain: Borrow, device: Text, out: Verdict, failure: Failure) callconv(.c) bool {
            const xml = convert.lift([]const u8, device.*);
            return give(types.Verdict, function(begin(ctx), domainOf(domain), xml), out, failure);
        }
    };
}

fn DomainEvents(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, event: *c.reeve_events_events_domain_event_t, failure: Failure) callconv(.c) bool {
            return give(void, function(begin(ctx), convert.lift(types.DomainEvent, event.*)), {}, failure);
        }
    };
}

fn DaemonEvents(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, change: c.reeve_events_events_daemon_change_t, failure: Failure) callconv(.c) bool {
            return give(void, function(begin(ctx), @as(types.DaemonChange, @enumFromInt(change))), {}, failure);
        }
    };
}

fn MacAllocate(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            domain: Borrow,
            interface: u32,
            taken: *c.bindings_list_string_t,
            seed: u64,
            out: Text,
            failure: Failure,
        ) callconv(.c) bool {
            const others = convert.lift([]const []const u8, taken.*);
            return give([]const u8, function(begin(ctx), domainOf(domain), interface, others, seed), out, failure);
        }
    };
}

fn KsmTune(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            now: *c.exports_reeve_tune_ksm_tune_snapshot_t,
            out: *c.exports_reeve_tune_ksm_tune_list_adjustment_t,
            failure: Failure,
        ) callconv(.c) bool {
            const snapshot = convert.lift(types.Snapshot, now.*);
            return give([]const types.Adjustment, function(begin(ctx), snapshot), out, failure);
        }
    };
}

fn Task(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, why: *c.exports_reeve_hooks_task_occasion_t, out: Text, failure: Failure) callconv(.c) bool {
            const occasion = convert.lift(types.Occasion, why.*);
            return give([]const u8, function(begin(ctx), occasion), out, failure);
        }
    };
}

fn NetworkStart(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, network: *c.reeve_network_networks_network_t, xml: Text, out: Verdict, failure: Failure) callconv(.c) bool {
            const of = convert.lift(networks.Network, network.*);
            return give(types.Verdict, function(begin(ctx), of, convert.lift([]const u8, xml.*)), out, failure);
        }
    };
}

fn NetworkStop(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, network: *c.reeve_network_networks_network_t, out: Verdict, failure: Failure) callconv(.c) bool {
            return give(types.Verdict, function(begin(ctx), convert.lift(networks.Network, network.*)), out, failure);
        }
    };
}

fn PortPlug(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            domain: Borrow,
            port: *c.reeve_network_networks_port_t,
            out: Verdict,
            failure: Failure,
        ) callconv(.c) bool {
            const of = convert.lift(networks.Port, port.*);
            return give(types.Verdict, function(begin(ctx), domainOf(domain), of), out, failure);
        }
    };
}

fn NetworkEvents(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, event: *c.exports_reeve_hooks_network_events_network_event_t, failure: Failure) callconv(.c) bool {
            return give(void, function(begin(ctx), convert.lift(networks.NetworkEvent, event.*)), {}, failure);
        }
    };
}

const Pool = *c.reeve_storage_pools_pool_t;
const Volume = *c.reeve_storage_volumes_volume_t;

fn PoolStart(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, pool: Pool, xml: Text, out: Verdict, failure: Failure) callconv(.c) bool {
            const of = convert.lift(storage.Pool, pool.*);
            return give(types.Verdict, function(begin(ctx), of, convert.lift([]const u8, xml.*)), out, failure);
        }
    };
}

fn VolumeCreate(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            pool: Pool,
            plan: *c.exports_reeve_hooks_volume_create_volume_plan_t,
            out: *c.exports_reeve_hooks_volume_create_volume_verdict_t,
            failure: Failure,
        ) callconv(.c) bool {
            const of = convert.lift(storage.Pool, pool.*);
            return give(storage.Verdict, function(begin(ctx), of, convert.lift(storage.Plan, plan.*)), out, failure);
        }
    };
}

fn VolumeResize(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, pool: Pool, volume: Volume, capacity: u64, out: Verdict, failure: Failure) callconv(.c) bool {
            const of = convert.lift(storage.Pool, pool.*);
            const it = convert.lift(storage.Volume, volume.*);
            return give(types.Verdict, function(begin(ctx), of, it, capacity), out, failure);
        }
    };
}

fn VolumeDelete(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, pool: Pool, volume: Volume, out: Verdict, failure: Failure) callconv(.c) bool {
            const of = convert.lift(storage.Pool, pool.*);
            return give(types.Verdict, function(begin(ctx), of, convert.lift(storage.Volume, volume.*)), out, failure);
        }
    };
}

fn StorageEvents(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, event: *c.exports_reeve_hooks_storage_events_storage_event_t, failure: Failure) callconv(.c) bool {
            return give(void, function(begin(ctx), convert.lift(storage.Event, event.*)), {}, failure);
        }
    };
}

fn CloneName(comptime function: anytype) type {
    return struct {
        fn call(ctx: Ctx, clone: *c.exports_reeve_hooks_clone_name_clone_request_t, out: Text, failure: Failure) callconv(.c) bool {
            return give([]const u8, function(begin(ctx), convert.lift(storage.Clone, clone.*)), out, failure);
        }
    };
}

fn FilterGenerate(comptime function: anytype) type {
    return struct {
        fn call(
            ctx: Ctx,
            interface: *c.reeve_filter_tree_subject_t,
            filters: *c.exports_reeve_hooks_filter_generate_list_filter_t,
            out: *c.reeve_filter_ruleset_rules_t,
            failure: Failure,
        ) callconv(.c) bool {
            const subject = convert.lift(filter.Subject, interface.*);
            const tree = convert.lift([]const filter.Filter, filters.*);
            return give(filter.Rules, function(begin(ctx), subject, tree), out, failure);
        }
    };
}
