/** A virtual network is about to start; `xml` is its document. Rewrites are refused. */
export function networkStart(ctx: Context, network: Network, xml: string): Decision {
  return allow();
}
