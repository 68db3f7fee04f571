    /// The last word before the machine is made. Rewrites are refused.
    fn domain_start(_ctx: &Context, _domain: &DomainConfig) -> Decision {
        allow()
    }
