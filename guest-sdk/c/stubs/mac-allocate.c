/* A MAC address for interface number `interface` (from 0) that is not among `taken`; `seed` is random. */
reeve_reply mac_allocate(const reeve_context *ctx, reeve_domain domain, uint32_t interface, reeve_texts taken, uint64_t seed) {
    (void)ctx, (void)domain, (void)interface;
    for (uint32_t i = 0; i < 1 << 16; i++) {
        unsigned tail = (unsigned)(seed + i) & 0xffffff;
        reeve_reply mac = reeve_say("00:16:3e:%02x:%02x:%02x", tail >> 16 & 0x7f, tail >> 8 & 0xff, tail & 0xff);
        size_t at = 0;
        while (at < taken.count && !reeve_equal(taken.items[at], mac.text)) {
            at++;
        }
        if (at == taken.count) {
            return mac;
        }
    }
    return reeve_failed("no address is free");
}
