/** A domain is about to move to another host; a rewrite changes the document that the destination gets. */
export function migrateOut(ctx: Context, domain: DomainConfig, journey: Journey): Decision {
  return allow();
}
