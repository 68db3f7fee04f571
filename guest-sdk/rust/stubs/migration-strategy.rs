    /// How a migration begins: within the operator's limits, compressed where both hosts can.
    fn migration_plan(
        _ctx: &Context,
        offered: &migration::Capabilities,
        limits: &migration::Limits,
        _journey: &migration::Journey,
    ) -> Result<migration::MigrationPlan, Failure> {
        let (max_downtime_us, compress) = (limits.max_downtime_us, offered.compression);
        Ok(migration::MigrationPlan { max_downtime_us, compress, streams: 1 })
    }

    /// What comes after a round: the end, as soon as the rest fits into the time that the guest may stand still.
    fn migration_step(_ctx: &Context, now: &migration::Progress) -> Result<migration::Step, Failure> {
        Ok(match now.rounds.last() {
            Some(round) if round.expected_downtime_us <= round.max_downtime_us => migration::Step::StopAndCopy,
            _ => migration::Step::Continue,
        })
    }
