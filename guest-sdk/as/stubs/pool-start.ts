/** A storage pool is about to start; `xml` is its document. Rewrites are refused. */
export function poolStart(ctx: Context, pool: Pool, xml: string): Decision {
  return allow();
}
