/** A volume is about to get another capacity, bytes. Rewrites are refused. */
export function volumeResize(ctx: Context, pool: Pool, volume: Volume, capacity: u64): Decision {
  return allow();
}
