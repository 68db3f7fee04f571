/** Kernel samepage merging; an empty list changes nothing. */
export function ksmTune(ctx: Context, now: Snapshot): Tuning {
  return adjust(new Array<Adjustment>());
}
