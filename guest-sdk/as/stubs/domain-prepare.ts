/** A domain is about to start; a rewrite changes this run only. */
export function domainPrepare(ctx: Context, domain: DomainConfig): Decision {
  return allow();
}
