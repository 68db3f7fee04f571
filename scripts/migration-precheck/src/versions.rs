//! Which versions of the daemon guests may move between. Pure.

/// What is known of two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Full,
    /// It works, but for this.
    KnownIssues(String),
    /// It does not, for this reason.
    No(String),
}

/// Whether a guest may move from one version to another.
pub fn support(from: &str, to: &str) -> Support {
    let (Some(source), Some(destination)) = (parts(from), parts(to)) else {
        return Support::KnownIssues(format!(
            "it is not known whether version '{to}' takes guests of '{from}'"
        ));
    };
    if source.0 != destination.0 {
        return Support::No(format!(
            "the hosts run versions {from} and {to}, and guests don't move between major versions"
        ));
    }
    if source.1 > destination.1 {
        return Support::KnownIssues(format!(
            "the destination runs version {to}, older than {from}: it may not know all of the guest's devices"
        ));
    }
    Support::Full
}

/// Major and minor version.
fn parts(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_move_within_a_major_version() {
        for (from, to) in [("1.2.0", "1.2.9"), ("1.2.9", "1.2.0"), ("1.2.0", "1.10.0"), ("0.1.0", "0.1.0")] {
            assert_eq!(support(from, to), Support::Full, "{from} to {to}");
        }
        for (from, to) in [("1.10.0", "1.2.0"), ("", "1.0.0"), ("1.0.0", "next")] {
            assert!(matches!(support(from, to), Support::KnownIssues(_)), "{from} to {to}");
        }
        for (from, to) in [("1.9.0", "2.0.0"), ("2.0.0", "1.9.0")] {
            assert!(matches!(support(from, to), Support::No(_)), "{from} to {to}");
        }
    }
}
