    /// A run by hand, on a schedule or on an event; the answer is one line on what was done.
    fn task(_ctx: &Context, why: &Occasion) -> Result<String, Failure> {
        Ok(format!("nothing done, asked by {why:?}"))
    }
