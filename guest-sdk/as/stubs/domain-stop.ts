/** Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused. */
export function domainStop(ctx: Context, domain: DomainConfig, forced: bool): Decision {
  return allow();
}
