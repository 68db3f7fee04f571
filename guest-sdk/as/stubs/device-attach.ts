/** A device (XML text) is about to be plugged. Rewrites are refused. */
export function deviceAttach(ctx: Context, domain: DomainConfig, device: string): Decision {
  return allow();
}
