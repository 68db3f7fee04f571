    /// A volume is about to be deleted. Rewrites are refused.
    fn volume_delete(_ctx: &Context, _pool: &storage::Pool, _volume: &storage::Volume) -> Decision {
        allow()
    }
