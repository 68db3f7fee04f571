// What __name__ decides.

import {
  Adjustment, Context, DaemonChange, Decision, DomainConfig, DomainEvent, Failure, Level, Occasion, Reply, Snapshot, Tuning,
  adjust, allow, fail, log, say,
} from "./sdk/reeve";

__stubs__
