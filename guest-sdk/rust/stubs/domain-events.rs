    /// Something happened to a domain; calls for one domain come in order.
    fn domain_events(_ctx: &Context, event: &DomainEvent) -> Result<(), Failure> {
        log::info(&format!("{}: {:?}", event.name, event.change));
        Ok(())
    }
