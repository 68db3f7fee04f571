    /// A virtual network is about to start; `xml` is its document. Rewrites are refused.
    fn network_start(_ctx: &Context, _network: &networks::Network, _xml: &str) -> Decision {
        allow()
    }
