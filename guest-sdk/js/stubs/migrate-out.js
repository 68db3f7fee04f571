/** A domain is about to move to another host; a rewrite changes the document that the destination gets. */
export const migrateOut = reeve.guard((ctx, domain, journey) => reeve.allow());
