    /// A domain is about to start; a rewrite changes this run only.
    fn domain_prepare(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }
