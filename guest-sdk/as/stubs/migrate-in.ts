/** A domain is about to come from another host; a rewrite changes the document that it runs by here. */
export function migrateIn(ctx: Context, domain: DomainConfig, journey: Journey): Decision {
  return allow();
}
