    /// A domain is about to come from another host; a rewrite changes the document that it runs by here.
    fn migrate_in(_ctx: &Context, _domain: &DomainConfig, _journey: &migration::Journey) -> Decision {
        allow()
    }
