/** One tick of the KSM tuner: a list of `reeve.adjust`; an empty one changes nothing. */
export const ksmTune = reeve.tune((ctx, now) => []);
