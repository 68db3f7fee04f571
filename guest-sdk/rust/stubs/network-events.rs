    /// Something happened to a network, to what is plugged into it, or to a packet filter.
    fn network_events(_ctx: &Context, event: &networks::NetworkEvent) -> Result<(), Failure> {
        log::info(&format!("{}: {:?} {}", event.name, event.change, event.detail));
        Ok(())
    }
