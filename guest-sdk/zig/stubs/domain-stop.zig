/// Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused.
pub fn domainStop(_: reeve.Context, _: reeve.Domain, forced: bool) !reeve.Verdict {
    _ = forced;
    return .allow;
}
