// Defaults and names: what a definition leaves open is filled in, and a name outside the house rules is refused.
// The same policy as scripts/naming, which has the settings in its README.

import { boolean, deny, edit, guard, list, rewrite, text } from "./sdk/reeve.js";

/** What the operator may set. */
const HOUSE = {
  // Names must begin with one of these; empty allows every name.
  prefixes: list(text()),
  // Cache mode of a writable disk that does not say; empty leaves it open.
  cache: text("none"),
  // Whether a domain that does not say gets a memory balloon.
  balloon: boolean(true),
  // Whether a domain without one gets a random-number device.
  rng: boolean(true),
};

const BALLOON = "<memballoon model='virtio'/>";
const RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";

export const domainDefine = guard((ctx, domain) => {
  const house = ctx.parseConfig(HOUSE);
  const reason = objection(house, domain.name());
  return reason === null ? rewrite(fillIn(house, domain)) : deny(reason);
});

/** Why `name` is refused; null when it is not. */
function objection({ prefixes }, name) {
  const fits = prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix));
  return fits ? null : `the name '${name}' must begin with one of: ${prefixes.join(", ")}`;
}

/** What a definition leaves open and this house fills in. */
function fillIn(house, domain) {
  const edits = house.cache === "" ? [] : domain.disks().filter(isOpen).map(({ target }) => edit.setDiskCache(target, house.cache));
  if (house.balloon && domain.balloon() === null) {
    edits.push(edit.addDevice(BALLOON));
  }
  if (house.rng && domain.rngCount() === 0) {
    edits.push(edit.addDevice(RNG));
  }
  return edits;
}

/** A writable disk with a medium, and no cache mode. */
const isOpen = (disk) => disk.device === "disk" && !disk.readonly && disk.source !== null && disk.cache === null;
