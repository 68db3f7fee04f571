/** A volume is about to be deleted. Rewrites are refused. */
export function volumeDelete(ctx: Context, pool: Pool, volume: Volume): Decision {
  return allow();
}
