    /// An interface of a domain is about to be plugged. Rewrites are refused.
    fn port_plug(_ctx: &Context, _domain: &DomainConfig, _port: &networks::Port) -> Decision {
        allow()
    }
