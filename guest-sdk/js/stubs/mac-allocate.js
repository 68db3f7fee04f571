/** A MAC address for interface `interfaceNumber` (from 0) of `domain`, not among `taken`; `seed` is random. */
export const macAllocate = reeve.propose((ctx, domain, interfaceNumber, taken, seed) => {
  const first = Number(reeve.u64(seed) & 0xffffffn);
  for (let step = 0; step <= 0xffffff; step += 1) {
    const number = (first + step) & 0xffffff;
    const parts = [number >> 16, (number >> 8) & 0xff, number & 0xff].map((part) => part.toString(16).padStart(2, "0"));
    const mac = `52:54:00:${parts.join(":")}`;
    if (!taken.includes(mac)) {
      return mac;
    }
  }
  throw new reeve.Failure("every address of 52:54:00 is taken");
});
