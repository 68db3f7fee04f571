// What __name__ decides.

import {
  Adjustment, Capabilities, CloneRequest, Context, DaemonChange, Decision, DomainConfig, DomainEvent, Failure, Filter,
  Generated, Journey, Level, Limits, MigrationPlan, Network, NetworkEvent, Objection, Occasion, Planned, Pool, Port,
  Progress, Reply, Rules, Snapshot, Steered, Step, StorageEvent, Subject, Tuning, Volume, VolumeDecision, VolumePlan,
  adjust, allow, allowVolume, begin, fail, generate, go, log, noObjection, say,
} from "./sdk/reeve";

__stubs__
