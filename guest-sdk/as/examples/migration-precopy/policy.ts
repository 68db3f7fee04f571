// Rounds of memory until the rest fits into the time that the guest may stand still: the same policy as scripts/migration-precopy.

import {
  Capabilities, Context, DomainConfig, Journey, Limits, MigrationPlan, Objection, Planned, Progress, Round, Settings, Steered, Step,
  begin, fail, go, noObjection,
} from "./sdk/reeve";

/** What the operator may set. */
class House {
  /** Milliseconds that a guest may stand still; the operator's limit where it does not say. */
  downtimeMs: u64 = u64.MAX_VALUE;
  /** Whether pages are compressed where both hosts can. */
  compress: bool = false;
  /** Rounds in a row without progress after which the guest stays; 0 is never. */
  giveUpAfter: u64 = 0;
  /** Why it cannot be read; null when it can. */
  problem: string | null = null;

  constructor(config: string) {
    const settings = new Settings(config);
    const downtime = settings.optionalInteger("downtime-ms");
    if (downtime !== null) this.downtimeMs = downtime.value;
    this.compress = settings.boolean("compress", false);
    this.giveUpAfter = settings.integer("give-up-after", 0);
    this.problem = settings.problem();
  }
}

/** Any migration may begin. */
export function migrationStrategyPrecheck(ctx: Context, domain: DomainConfig, journey: Journey): Objection {
  return noObjection();
}

/** How it begins. */
export function migrationStrategyPlan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey): Planned {
  const house = new House(ctx.config);
  if (house.problem !== null) return fail<MigrationPlan>(house.problem!);
  const downtime = house.downtimeMs < limits.maxDowntimeUs / 1000 ? house.downtimeMs * 1000 : limits.maxDowntimeUs;
  return begin(new MigrationPlan(downtime, house.compress && offered.compression, 1));
}

/** What comes after a round. */
export function migrationStrategyNextStep(ctx: Context, now: Progress): Steered {
  const house = new House(ctx.config);
  if (house.problem !== null) return fail<Step>(house.problem!);
  if (now.rounds.length == 0) return go(Step.continue_());
  const last = now.rounds.length - 1;
  if (now.rounds[last].expectedDowntimeUs <= now.rounds[last].maxDowntimeUs) return go(Step.stopAndCopy());
  let stalled = 0;
  while (stalled < last && !progressed(now.rounds[last - stalled - 1], now.rounds[last - stalled])) stalled++;
  if (house.giveUpAfter > 0 && <u64>stalled >= house.giveUpAfter) {
    return go(Step.abort(`${stalled} rounds brought nothing: the guest writes as fast as it is sent`));
  }
  return go(Step.continue_());
}

/** Less than a tenth fewer pages is no progress. */
function progressed(before: Round, after: Round): bool {
  return after.dirtyPages < before.dirtyPages - before.dirtyPages / 10;
}
