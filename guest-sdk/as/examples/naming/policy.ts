// Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.

import { Context, Decision, Disk, DiskCache, DomainConfig, Edit, Settings, Verdict, deny, fail, rewrite } from "./sdk/reeve";

const BALLOON = "<memballoon model='virtio'/>";
const RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";

/** A definition is added or replaced. */
export function domainDefine(ctx: Context, domain: DomainConfig): Decision {
  const settings = new Settings(ctx.config);
  // Names must begin with one of these; none allows every name.
  const prefixes = settings.texts("prefixes");
  // Cache mode of a writable disk that does not say; empty leaves it open.
  const cache = settings.text("cache", "none");
  // Whether a domain that does not say gets a memory balloon, and one without a random-number device gets one.
  const balloon = settings.boolean("balloon", true);
  const rng = settings.boolean("rng", true);
  const problem = settings.problem();
  if (problem !== null) return fail<Verdict>(problem);

  const name = domain.name();
  if (!fits(name, prefixes)) return deny(`the name '${name}' must begin with one of: ${prefixes.join(", ")}`);

  const edits: Array<Edit> = [];
  const disks = domain.disks();
  for (let i = 0; i < disks.length; i++) {
    if (cache != "" && isOpen(disks[i])) edits.push(Edit.setDiskCache(new DiskCache(disks[i].target, cache)));
  }
  const hasBalloon = domain.balloon() !== null;
  const rngs = domain.rngCount();
  if (balloon && !hasBalloon) edits.push(Edit.addDevice(BALLOON));
  if (rng && rngs == 0) edits.push(Edit.addDevice(RNG));
  return rewrite(edits);
}

/** True when the house has no rule for names, or `name` follows it. */
function fits(name: string, prefixes: Array<string>): bool {
  for (let i = 0; i < prefixes.length; i++) {
    if (name.startsWith(prefixes[i])) return true;
  }
  return prefixes.length == 0;
}

/** A writable disk with a medium, and no cache mode. */
function isOpen(disk: Disk): bool {
  return disk.device == "disk" && !disk.readonly && disk.source !== null && disk.cache === null;
}
