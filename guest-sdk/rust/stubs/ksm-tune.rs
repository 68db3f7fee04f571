    /// Kernel samepage merging; an empty list changes nothing.
    fn ksm_tune(_ctx: &Context, _now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        Ok(Vec::new())
    }
