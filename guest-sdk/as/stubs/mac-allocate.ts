/** A MAC address for interface number `position` (from 0) that is not among `taken`; `seed` is random. */
export function macAllocate(ctx: Context, domain: DomainConfig, position: u32, taken: Array<string>, seed: u64): Reply {
  for (let step: u64 = 0; step < 1 << 16; step++) {
    const tail = <u32>((seed + step) & 0x7fffff);
    const digits = (tail | 0x1000000).toString(16);
    const mac = `00:16:3e:${digits.substring(1, 3)}:${digits.substring(3, 5)}:${digits.substring(5)}`;
    if (!taken.includes(mac)) return say(mac);
  }
  return fail<string>("no address is free");
}
