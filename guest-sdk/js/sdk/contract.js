// Names of the contract, made of wit/ by the conformance tests.

/** Interfaces a policy may call, and their functions. */
export const INTERFACES = {
  "reeve:clock/clock@0.1.0": ["now", "monotonic"],
  "reeve:clock/timer@0.1.0": ["pause"],
  "reeve:domain/domains@0.1.0": ["list", "get", "committed", "start", "shutdown", "destroy", "suspend", "resume", "setMemory"],
  "reeve:migration/disks@0.1.0": ["list"],
  "reeve:network/networks@0.1.0": ["list", "get", "ports", "leases", "portCounters"],
  "reeve:storage/pools@0.1.0": ["list", "get"],
  "reeve:storage/volumes@0.1.0": ["list", "get", "create", "copy", "resize", "delete", "read", "write"],
  "reeve:kv/store@0.1.0": ["get", "set", "delete", "keys"],
  "reeve:log/log@0.1.0": ["write"],
  "reeve:node/host@0.1.0": ["getInfo", "getMemory"],
  "reeve:node/ksm@0.1.0": ["get"],
};

/** Getters of a domain. */
export const GETTERS = [
  "name",
  "uuid",
  "state",
  "title",
  "domainType",
  "memory",
  "currentMemory",
  "vcpus",
  "currentVcpus",
  "mergeable",
  "kernel",
  "cmdline",
  "disks",
  "interfaces",
  "balloon",
  "rngCount",
  "metadata",
  "xml",
];
