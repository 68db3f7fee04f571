/** Whether a migration may begin: null, or one sentence why not. */
export function migrationStrategyPrecheck(ctx: Context, domain: DomainConfig, journey: Journey): Objection {
  return noObjection();
}

/** How it begins: within the operator's limits, compressed where both hosts can. */
export function migrationStrategyPlan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey): Planned {
  return begin(new MigrationPlan(limits.maxDowntimeUs, offered.compression, 1));
}

/** What comes after a round: the end, as soon as the rest fits into the time that the guest may stand still. */
export function migrationStrategyNextStep(ctx: Context, now: Progress): Steered {
  if (now.rounds.length == 0) return go(Step.continue_());
  const round = now.rounds[now.rounds.length - 1];
  return go(round.expectedDowntimeUs <= round.maxDowntimeUs ? Step.stopAndCopy() : Step.continue_());
}
