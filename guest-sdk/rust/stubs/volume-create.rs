    /// A volume is about to be made or copied; a rewrite changes its document.
    fn volume_create(
        _ctx: &Context,
        _pool: &storage::Pool,
        _plan: &storage::VolumePlan,
    ) -> storage::VolumeDecision {
        storage::allow()
    }
