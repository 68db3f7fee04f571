/// A domain is about to move to another host; a rewrite changes the document that the destination gets.
pub fn migrateOut(_: reeve.Context, domain: reeve.Domain, journey: reeve.migration.Journey) !reeve.Verdict {
    _ = domain;
    _ = journey;
    return .allow;
}
