    /// The name of a clone that nobody named.
    fn clone_name(_ctx: &Context, clone: &storage::CloneRequest) -> Result<String, Failure> {
        let mut names = (1..).map(|number| format!("{}-{number}", clone.source));
        let free = names.find(|name| !clone.taken.contains(name));
        free.ok_or_else(|| Failure { message: "every name is taken".into() })
    }
