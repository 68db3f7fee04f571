// What __name__ decides.

import {
  Adjustment, Context, DaemonChange, Decision, DomainConfig, DomainEvent, Failure, Filter, Generated, Level, Network, NetworkEvent,
  Occasion, Port, Reply, Rules, Snapshot, Subject, Tuning, adjust, allow, fail, generate, log, say,
} from "./sdk/reeve";

__stubs__
