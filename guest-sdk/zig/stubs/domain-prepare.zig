/// A domain is about to start; a rewrite changes this run only.
pub fn domainPrepare(_: reeve.Context, _: reeve.Domain) !reeve.Verdict {
    return .allow;
}
