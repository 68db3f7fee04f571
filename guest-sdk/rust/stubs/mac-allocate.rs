    /// A MAC address for interface `interface` (from 0) of `domain`, not among `taken`; `seed` is random.
    fn mac_allocate(
        _ctx: &Context,
        _domain: &DomainConfig,
        _interface: u32,
        taken: &[String],
        seed: u64,
    ) -> Result<String, Failure> {
        let address = |n: u64| format!("52:54:00:{:02x}:{:02x}:{:02x}", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
        let free = (0..=0xff_ffff).map(|step| address(seed.wrapping_add(step))).find(|mac| !taken.contains(mac));
        free.ok_or_else(|| Failure { message: "every address of 52:54:00 is taken".into() })
    }
