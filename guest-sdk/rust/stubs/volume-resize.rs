    /// A volume is about to get another capacity, bytes. Rewrites are refused.
    fn volume_resize(_ctx: &Context, _pool: &storage::Pool, _volume: &storage::Volume, _capacity: u64) -> Decision {
        allow()
    }
