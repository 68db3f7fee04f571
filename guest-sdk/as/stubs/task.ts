/** One run by hand, on a schedule or on an event; the answer is a summary of one line. */
export function task(ctx: Context, why: Occasion): Reply {
  return say("nothing to do");
}
