    /// The daemon started, stops or reloaded.
    fn daemon_events(_ctx: &Context, change: DaemonChange) -> Result<(), Failure> {
        log::info(&format!("the daemon: {change:?}"));
        Ok(())
    }
