/** The last word before the machine is made. Rewrites are refused. */
export function domainStart(ctx: Context, domain: DomainConfig): Decision {
  return allow();
}
