    /// A storage pool is about to start. Rewrites are refused.
    fn pool_start(_ctx: &Context, _pool: &storage::Pool, _xml: &str) -> Decision {
        allow()
    }
