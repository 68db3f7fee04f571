//! A guard to start from: it refuses domains with too little memory.

const reeve = @import("reeve");

/// What the operator may set; every key has a default, and a typo is an error.
const Config = struct {
    /// Least memory of a domain, MiB.
    min_memory_mib: u64 = 128,
};

/// A definition is added or replaced.
pub fn domainDefine(ctx: reeve.Context, domain: reeve.Domain) !reeve.Verdict {
    const config = try ctx.parseConfig(Config);
    const mib = domain.memory() >> 20;
    if (mib < config.min_memory_mib) {
        return reeve.deny("{d} MiB of memory; at least {d} MiB are needed", .{ mib, config.min_memory_mib });
    }
    return .allow;
}

test "small domains are refused" {
    const small: reeve.testing.DomainData = .{ .memory = 64 << 20 };
    const large: reeve.testing.DomainData = .{ .memory = 512 << 20 };
    const ask = struct {
        fn ask(config: []const u8, domain: *const reeve.testing.DomainData) !reeve.Verdict {
            return domainDefine(reeve.testing.context(config), reeve.testing.domain(domain));
        }
    }.ask;
    try reeve.testing.expectDeny("64 MiB of memory; at least 128 MiB are needed", ask("{}", &small));
    try reeve.testing.expectAllow(ask("{}", &large));
    try reeve.testing.expectAllow(ask("{\"min-memory-mib\": 32}", &small));
    try reeve.testing.expectFailure(
        "the policy's configuration is not valid: 'min-memory' is no key of it; there are min-memory-mib",
        ask("{\"min-memory\": 32}", &small),
    );
}
