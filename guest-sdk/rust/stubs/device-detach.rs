    /// A device (XML text) is about to be unplugged. Rewrites are refused.
    fn device_detach(_ctx: &Context, _domain: &DomainConfig, _device: &str) -> Decision {
        allow()
    }
