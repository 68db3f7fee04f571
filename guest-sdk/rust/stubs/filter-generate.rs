    /// The packet rules of an interface, from its filter and all that it refers to. No chain lets everything pass.
    fn filter_generate(
        _ctx: &Context,
        _interface: &filter::Subject,
        _filters: &[filter::Filter],
    ) -> Result<filter::Rules, Failure> {
        Ok(filter::Rules { chains: Vec::new(), sets: Vec::new(), maps: Vec::new() })
    }
