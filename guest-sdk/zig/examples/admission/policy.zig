//! Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).

const std = @import("std");
const reeve = @import("reeve");

const mib = 1 << 20;
const gib = 1 << 30;

/// What the operator may set.
const Limits = struct {
    /// Committed guest memory may be so many times the memory the host can give.
    memory_overcommit: f64 = 1.5,
    /// Memory kept for the host, MiB; null is an eighth of the memory, 4 GiB at most (guide 6.1).
    host_reserve_mib: ?u64 = null,
    /// Whether swap counts as memory the host can give.
    count_swap: bool = true,
    /// vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most).
    vcpus_per_cpu: f64 = 10,
    /// Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2).
    guest_within_cpus: bool = true,

    /// Bytes that all guests together may have. Sums and products stop at the largest number.
    fn memory(self: Limits, host: reeve.Memory) u64 {
        const reserve = if (self.host_reserve_mib) |said| said *| mib else @min(host.total / 8, 4 * gib);
        const swap = if (self.count_swap) host.swap_total else 0;
        const can_give = (host.total +| swap) -| reserve;
        return std.math.lossyCast(u64, @as(f64, @floatFromInt(can_give)) * self.memory_overcommit);
    }

    /// vCPUs that all guests together may have.
    fn vcpus(self: Limits, cpus: u32) u32 {
        return std.math.lossyCast(u32, @as(f64, @floatFromInt(cpus)) * self.vcpus_per_cpu);
    }
};

/// A domain is about to start.
pub fn domainPrepare(ctx: reeve.Context, domain: reeve.Domain) !reeve.Verdict {
    const limits = try ctx.parseConfig(Limits);
    const info = try reeve.host.getInfo();
    const memory = try reeve.host.getMemory();
    const others = try reeve.domains.committed(domain.uuid());

    const vcpus = domain.vcpus();
    if (limits.guest_within_cpus and vcpus > info.cpus) {
        return reeve.deny("it has {d} vCPUs and the host only {d} CPUs", .{ vcpus, info.cpus });
    }
    const all_vcpus = others.vcpus +| vcpus;
    const allowed_vcpus = limits.vcpus(info.cpus);
    if (all_vcpus > allowed_vcpus) {
        return reeve.deny("the active domains would have {d} vCPUs and this host allows {d}", .{ all_vcpus, allowed_vcpus });
    }
    const wanted = others.memory +| domain.memory();
    const allowed = limits.memory(memory);
    if (wanted > allowed) {
        return reeve.deny(
            "the active domains would have {d} MiB of memory and this host allows {d} MiB",
            .{ wanted / mib, allowed / mib },
        );
    }
    return .allow;
}

fn ask(config: []const u8, memory: u64, vcpus: u32) !reeve.Verdict {
    const domain: reeve.testing.DomainData = .{ .memory = memory, .vcpus = vcpus };
    return domainPrepare(reeve.testing.context(config), reeve.testing.domain(&domain));
}

test "vCPUs are counted alone and together" {
    reeve.testing.the_host = .{ .info = .{ .cpus = 4 }, .memory = .{ .total = 16 * gib } };
    try reeve.testing.expectDeny("it has 5 vCPUs and the host only 4 CPUs", ask("{}", gib, 5));
    try reeve.testing.expectAllow(ask("{\"guest-within-cpus\": false}", gib, 5));
    reeve.testing.the_host.committed.vcpus = 38;
    try reeve.testing.expectAllow(ask("{}", gib, 2));
    try reeve.testing.expectDeny("the active domains would have 41 vCPUs and this host allows 40", ask("{}", gib, 3));
}

test "16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB" {
    reeve.testing.the_host = .{
        .info = .{ .cpus = 4 },
        .memory = .{ .total = 16 * gib },
        .committed = .{ .memory = 20 * gib },
    };
    try reeve.testing.expectAllow(ask("{}", gib, 1));
    try reeve.testing.expectDeny(
        "the active domains would have 21505 MiB of memory and this host allows 21504 MiB",
        ask("{}", gib + mib, 1),
    );
    reeve.testing.the_host.memory.swap_total = 8 * gib;
    try reeve.testing.expectAllow(ask("{}", 8 * gib, 1));
    try reeve.testing.expectDeny(
        "the active domains would have 28672 MiB of memory and this host allows 21504 MiB",
        ask("{\"count-swap\": false}", 8 * gib, 1),
    );
}

test "a host that does not answer is a failure" {
    reeve.testing.the_host = .{ .failure = .{ .code = error.Denied, .message = "no" } };
    try reeve.testing.expectFailure("the host answered: no", ask("{}", gib, 1));
}
