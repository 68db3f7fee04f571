// The example `migration-precopy`, without a host.

import { Capabilities, Journey, Limits, Peer, Progress, Round, StepTag } from "./sdk/reeve";
import { check, context } from "./sdk/testing";
import { migrationStrategyNextStep, migrationStrategyPlan } from "./policy";

const offered = new Capabilities(false, 1, false);
const limits = new Limits(300000, null, 0, 100);

function plan(config: string): u64 {
  const journey = new Journey("test", new Peer("a", "1"), new Peer("b", "1"), false, "tls", false, true);
  const plan = migrationStrategyPlan(context(config), offered, limits, journey).value;
  check(!plan.compress && plan.streams == 1, "nobody offers more");
  return plan.maxDowntimeUs;
}

export function itPlansWithinTheOperatorsLimit(): void {
  check(plan("{}") == 300000, "the limit");
  check(plan('{"downtime-ms": 5000}') == 300000, "no more than the limit");
  check(plan('{"downtime-ms": 50, "compress": true}') == 50000, "less");
}

function after(config: string, dirty: Array<u64>): StepTag {
  const rounds: Array<Round> = [];
  for (let i = 0; i < dirty.length; i++) {
    rounds.push(new Round(i + 1, 0, 0, 0, 0, 0, dirty[i], 0, dirty[i] * 100, 50000, 0, false, 1));
  }
  return migrationStrategyNextStep(context(config), new Progress(offered, limits, rounds)).value.tag;
}

export function itEndsWhenTheRestFitsAndGivesUpWhenItNeverWill(): void {
  check(after("{}", []) == StepTag.Continue && after("{}", [501]) == StepTag.Continue, "too much");
  check(after("{}", [5000, 500]) == StepTag.StopAndCopy, "it fits");
  check(after("{}", [5000, 5000, 5000]) == StepTag.Continue, "it never gives up");
  check(after('{"give-up-after": 3}', [5000, 5000, 5000]) == StepTag.Continue, "not yet");
  check(after('{"give-up-after": 2}', [5000, 5000, 5000]) == StepTag.Abort, "it gives up");
}
