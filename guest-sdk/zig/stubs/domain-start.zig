/// The last word before the machine is made. Rewrites are refused.
pub fn domainStart(_: reeve.Context, _: reeve.Domain) !reeve.Verdict {
    return .allow;
}
