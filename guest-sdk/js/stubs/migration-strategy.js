/** How a migration goes on after a round: it ends as soon as the rest fits into the time that the guest may stand still. */
export const migrationStrategy = reeve.steer({
  nextStep: (ctx, now) => {
    const round = now.rounds.at(-1);
    return round.expectedDowntimeUs <= round.maxDowntimeUs ? reeve.step.stopAndCopy() : reeve.step.continue();
  },
});
