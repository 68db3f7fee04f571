/** A volume is about to be made or copied; `reeve.rewriteVolume({ … })` changes its document. */
export const volumeCreate = reeve.guard((ctx, pool, plan) => reeve.allow());
