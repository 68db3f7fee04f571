    /// Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused.
    fn domain_stop(_ctx: &Context, _domain: &DomainConfig, _forced: bool) -> Decision {
        allow()
    }
