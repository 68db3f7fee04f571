/** A domain is about to come from another host; a rewrite changes the document that it runs by here. */
export const migrateIn = reeve.guard((ctx, domain, journey) => reeve.allow());
