    /// Something happened to a storage pool or its volumes.
    fn storage_events(_ctx: &Context, event: &storage::StorageEvent) -> Result<(), Failure> {
        log::info(&format!("{}: {:?} {}", event.name, event.change, event.detail));
        Ok(())
    }
