// Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy.

import { boolean, integer, optional, steer, step } from "./sdk/reeve.js";

/** What the operator may set. */
const SETTINGS = {
  // Milliseconds that a guest may stand still; null is the operator's limit.
  downtimeMs: optional(integer()),
  // Whether pages are compressed where both hosts can.
  compress: boolean(false),
  // Rounds in a row without progress after which the guest stays; 0 is never.
  giveUpAfter: integer(0),
};

export const migrationStrategy = steer({
  plan: (ctx, offered, { maxDowntimeUs }) => {
    const { downtimeMs, compress } = ctx.parseConfig(SETTINGS);
    const wanted = downtimeMs === null ? maxDowntimeUs : downtimeMs * 1000;
    return { maxDowntimeUs: Math.min(wanted, maxDowntimeUs), compress: compress && offered.compression, streams: 1 };
  },
  nextStep: (ctx, { rounds }) => {
    const { giveUpAfter } = ctx.parseConfig(SETTINGS);
    const last = rounds.at(-1);
    if (last === undefined) {
      return step.continue();
    }
    if (last.expectedDowntimeUs <= last.maxDowntimeUs) {
      return step.stopAndCopy();
    }
    const stalled = stalledRounds(rounds);
    return giveUpAfter > 0 && stalled >= giveUpAfter
      ? step.abort(`${stalled} rounds brought nothing: the guest writes as fast as it is sent`)
      : step.continue();
  },
});

/** Rounds at the end that brought nothing: less than a tenth fewer pages is no progress. */
function stalledRounds(rounds) {
  const progressed = (at) => rounds[at].dirtyPages < rounds[at - 1].dirtyPages - Math.floor(rounds[at - 1].dirtyPages / 10);
  let stalled = 0;
  while (stalled < rounds.length - 1 && !progressed(rounds.length - 1 - stalled)) {
    stalled++;
  }
  return stalled;
}
