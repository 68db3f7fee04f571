    /// A device (XML text) is about to be plugged. Rewrites are refused.
    fn device_attach(_ctx: &Context, _domain: &DomainConfig, _device: &str) -> Decision {
        allow()
    }
