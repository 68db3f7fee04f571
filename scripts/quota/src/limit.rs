//! One limit, as plain functions over plain values.

use serde::Deserialize;

/// What the operator bounds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// The pool; none is every pool by itself.
    pub pool: Option<String>,
    /// Beginning of the names of the volumes that are meant.
    pub prefix: String,
    /// Bytes of their capacities together.
    pub max_bytes: Option<u64>,
    /// How many there may be.
    pub max_volumes: Option<usize>,
}

/// A volume that somebody wants to make or to grow.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its pool.
    pub pool: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it will have; none where that can't be told.
    pub capacity: Option<u64>,
    /// True for one that is not there yet.
    pub new: bool,
}

impl Limit {
    /// True when it bounds this volume.
    pub fn fits(&self, wanted: &Wanted<'_>) -> bool {
        self.pool.as_deref().is_none_or(|pool| pool == wanted.pool) && wanted.name.starts_with(&self.prefix)
    }

    /// The volumes that it counts, for people.
    fn subject(&self, pool: &str) -> String {
        match self.prefix.as_str() {
            "" => format!("the volumes of pool '{pool}'"),
            prefix => format!("the volumes '{prefix}*' of pool '{pool}'"),
        }
    }
}

/// What a limit that fits says against a volume beside the `others` of its pool (names and capacities).
pub fn objection(limit: &Limit, wanted: &Wanted<'_>, others: &[(&str, u64)]) -> Option<String> {
    let counted = || others.iter().filter(|(name, _)| name.starts_with(&limit.prefix));
    let subject = limit.subject(wanted.pool);
    if let Some(most) = limit.max_volumes
        && wanted.new
        && counted().count() >= most
    {
        return Some(format!("{subject} may be {most}, and there are {}", counted().count()));
    }
    let most = limit.max_bytes?;
    let Some(capacity) = wanted.capacity else {
        return Some(format!(
            "the capacity of '{}' can't be told beforehand; give it a <capacity>",
            wanted.name
        ));
    };
    let sum = counted().fold(capacity, |sum, (_, capacity)| sum.saturating_add(*capacity));
    (sum > most).then(|| format!("{subject} may have {most} bytes together, and would have {sum}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_counts_its_own() {
        let limit =
            Limit { prefix: "a-".into(), max_bytes: Some(10), max_volumes: Some(2), ..Limit::default() };
        let wanted = Wanted { pool: "p", name: "a-2", capacity: Some(5), new: true };
        assert!(limit.fits(&wanted) && !limit.fits(&Wanted { name: "b", ..wanted }));
        assert_eq!(objection(&limit, &wanted, &[("a-1", 5), ("b", 100)]), None);
        let said = objection(&limit, &wanted, &[("a-1", 6)]).unwrap_or_default();
        assert_eq!(said, "the volumes 'a-*' of pool 'p' may have 10 bytes together, and would have 11");
        let said = objection(&limit, &wanted, &[("a-1", 0), ("a-0", 0)]).unwrap_or_default();
        assert_eq!(said, "the volumes 'a-*' of pool 'p' may be 2, and there are 2");
        let grown = Wanted { new: false, ..wanted };
        assert_eq!(objection(&limit, &grown, &[("a-1", 0), ("a-0", 0)]), None, "it is one of them already");
    }

    #[test]
    fn an_unknown_capacity_is_no_way_around() {
        let wanted = Wanted { pool: "p", name: "a", capacity: None, new: true };
        let bytes = Limit { max_bytes: Some(10), ..Limit::default() };
        assert!(objection(&bytes, &wanted, &[]).is_some_and(|said| said.contains("give it a <capacity>")));
        let count = Limit { max_volumes: Some(1), ..Limit::default() };
        assert_eq!(objection(&count, &wanted, &[]), None);
        let huge = Wanted { capacity: Some(u64::MAX), ..wanted };
        assert!(objection(&bytes, &huge, &[("b", u64::MAX)]).is_some());
    }
}
