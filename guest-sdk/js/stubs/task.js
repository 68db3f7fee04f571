/** A run by hand, on a schedule or on an event; the answer is one line on what was done. */
export const task = reeve.task((ctx, why) => `nothing done, asked by ${why.tag}`);
