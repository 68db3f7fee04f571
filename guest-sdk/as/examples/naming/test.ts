// The example `naming`, without a host: what the policy it re-implements is tested with.

import { Balloon, Decision, Disk, EditTag, VerdictTag } from "./sdk/reeve";
import { DomainData, check, context, domain, equal, expectAllow, expectDeny } from "./sdk/testing";
import { domainDefine } from "./policy";

function open(): DomainData {
  const data = new DomainData();
  data.disks.push(new Disk("vda", "disk", "/images/a", null, null, null, false, false));
  data.disks.push(new Disk("vdb", "disk", "/images/b", null, "writeback", null, false, false));
  data.disks.push(new Disk("sda", "cdrom", "/images/c", null, null, null, true, false));
  data.rngCount = 1;
  return data;
}

function ask(config: string, data: DomainData): Decision {
  return domainDefine(context(config), domain(data));
}

export function whatIsLeftOpenIsFilledIn(): void {
  const verdict = ask("{}", open()).value;
  check(verdict.tag == VerdictTag.Rewrite && verdict.rewrite.length == 2, "two changes");
  check(verdict.rewrite[0].tag == EditTag.SetDiskCache, "the first is a cache mode");
  equal(verdict.rewrite[0].setDiskCache.target, "vda");
  equal(verdict.rewrite[0].setDiskCache.cache, "none");
  equal(verdict.rewrite[1].addDevice, "<memballoon model='virtio'/>");
  expectAllow(ask('{"cache": "", "balloon": false}', open()));
  const complete = open();
  complete.disks.shift();
  complete.balloon = new Balloon("none", null);
  expectAllow(ask("{}", complete));
}

export function aNameOutsideTheHouseIsRefused(): void {
  expectDeny(ask('{"prefixes": ["web-", "db-"]}', open()), "the name 'test' must begin with one of: web-, db-");
}
