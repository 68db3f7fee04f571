// What __name__ decides.

import {
  Adjustment, CloneRequest, Context, DaemonChange, Decision, DomainConfig, DomainEvent, Failure, Filter, Generated, Level, Network, NetworkEvent,
  Occasion, Pool, Port, Reply, Rules, Snapshot, StorageEvent, Subject, Tuning, Volume, VolumeDecision, VolumePlan, adjust, allow,
  allowVolume, fail, generate, log, say,
} from "./sdk/reeve";

__stubs__
