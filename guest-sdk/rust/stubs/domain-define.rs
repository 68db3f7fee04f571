    /// A definition is added or replaced; a rewrite changes what is stored.
    fn domain_define(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }
