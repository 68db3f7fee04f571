    /// Somebody asks to stop a virtual network. Rewrites are refused.
    fn network_stop(_ctx: &Context, _network: &networks::Network) -> Decision {
        allow()
    }
