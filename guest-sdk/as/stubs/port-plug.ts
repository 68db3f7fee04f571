/** An interface of a domain is about to be plugged. Rewrites are refused. */
export function portPlug(ctx: Context, domain: DomainConfig, port: Port): Decision {
  return allow();
}
