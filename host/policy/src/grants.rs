//! What a policy may do: what its manifest asks for *and* what the operator grants.

use reeve_model::Verb;
use reeve_model::policy::WantedGrant;

use crate::grant::{Grant, GrantError, Scope};

/// Both sides of a policy's grants. Nothing is allowed that is not on both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    asked: Vec<Grant>,
    given: Vec<Grant>,
    texts: Vec<String>,
}

impl Grants {
    /// Reads both sides; every text must be a grant.
    pub fn new(asked: &[WantedGrant], given: &[String]) -> Result<Self, GrantError> {
        let asked = asked.iter().map(|want| Grant::parse(&want.grant)).collect::<Result<_, _>>()?;
        let mut grants = Self { asked, given: Vec::new(), texts: Vec::new() };
        for text in given {
            grants.give(text)?;
        }
        Ok(grants)
    }

    fn give(&mut self, text: &str) -> Result<(), GrantError> {
        let grant = Grant::parse(text)?;
        if !self.given.contains(&grant) {
            self.given.push(grant);
            self.texts.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        Ok(())
    }

    /// True when both sides allow `verb` on `subject`.
    pub fn permits(&self, verb: Verb, subject: &str) -> bool {
        let covers = |side: &[Grant]| side.iter().any(|grant| grant.covers(verb, subject));
        covers(&self.asked) && covers(&self.given)
    }

    /// True when the manifest asks for `verb` on some subject.
    pub fn asks(&self, verb: Verb) -> bool {
        self.asked.iter().any(|grant| grant.verb == verb)
    }

    /// True when the operator gave `verb` on some subject.
    pub fn gives(&self, verb: Verb) -> bool {
        self.given.iter().any(|grant| grant.verb == verb)
    }

    /// True when both sides allow `verb` on every subject.
    pub fn permits_all(&self, verb: Verb) -> bool {
        let all = |side: &[Grant]| {
            side.iter().any(|grant| {
                grant.verb == verb
                    && match &grant.scope {
                        Scope::Name(glob) | Scope::Path(glob) => glob == "*",
                        Scope::Host | Scope::MaxBytes(_) => true,
                    }
            })
        };
        all(&self.asked) && all(&self.given)
    }

    /// Bytes the policy may keep in its store; none without the grant.
    pub fn kv_quota(&self) -> Option<u64> {
        let largest = |side: &[Grant]| {
            side.iter()
                .filter_map(|grant| match grant.scope {
                    Scope::MaxBytes(bytes) if grant.verb == Verb::KvUse => Some(bytes),
                    _ => None,
                })
                .max()
        };
        Some(largest(&self.asked)?.min(largest(&self.given)?))
    }

    /// What the operator gave, as it was written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Grants the operator gave that have no effect, because the manifest does not ask for their verb.
    pub fn unasked(&self) -> impl Iterator<Item = &str> {
        self.given
            .iter()
            .zip(&self.texts)
            .filter(|(grant, _)| !self.asks(grant.verb))
            .map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(asked: &[&str], given: &[&str]) -> Grants {
        let asked: Vec<_> =
            asked.iter().map(|grant| WantedGrant { grant: (*grant).into(), reason: "test".into() }).collect();
        Grants::new(&asked, &given.iter().map(|grant| (*grant).into()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn both_sides_must_agree() {
        let both =
            grants(&["domain:read", "domain:start name=web-*"], &["domain:read name=web-*", "node:read"]);
        assert!(both.permits(Verb::DomainRead, "web-1"));
        assert!(!both.permits(Verb::DomainRead, "db"));
        assert!(!both.permits(Verb::DomainStart, "web-1"), "asked, not given");
        assert!(!both.permits(Verb::NodeRead, ""), "given, not asked");
        assert!(!both.permits_all(Verb::DomainRead));
        assert_eq!(both.unasked().collect::<Vec<_>>(), ["node:read"]);
    }

    #[test]
    fn the_smaller_quota_counts() {
        assert_eq!(grants(&["kv:use max-bytes=1MiB"], &["kv:use"]).kv_quota(), Some(64 << 10));
        assert_eq!(grants(&["kv:use"], &[]).kv_quota(), None);
    }
}
