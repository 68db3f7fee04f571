    /// A domain is about to move to another host; a rewrite changes the document that the destination gets.
    fn migrate_out(_ctx: &Context, _domain: &DomainConfig, _journey: &migration::Journey) -> Decision {
        allow()
    }
