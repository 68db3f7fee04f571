/// A domain is about to come from another host; a rewrite changes the document that it runs by here.
pub fn migrateIn(_: reeve.Context, domain: reeve.Domain, journey: reeve.migration.Journey) !reeve.Verdict {
    _ = domain;
    _ = journey;
    return .allow;
}
