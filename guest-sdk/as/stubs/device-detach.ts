/** A device (XML text) is about to be unplugged. Rewrites are refused. */
export function deviceDetach(ctx: Context, domain: DomainConfig, device: string): Decision {
  return allow();
}
