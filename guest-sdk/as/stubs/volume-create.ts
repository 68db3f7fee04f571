/** A volume is about to be made or copied; `rewriteVolume` changes its document. */
export function volumeCreate(ctx: Context, pool: Pool, plan: VolumePlan): VolumeDecision {
  return allowVolume();
}
