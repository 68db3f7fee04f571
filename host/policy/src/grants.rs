//! What a policy may do: what its manifest asks for *and* what the operator grants.

use std::collections::BTreeMap;

use reeve_model::Verb;
use reeve_model::policy::WantedGrant;

use crate::grant::{Grant, GrantError, Scope, is_below};

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
        self.asked.iter().any(|grant| holds(grant, verb))
    }

    /// True when the operator gave `verb` on some subject.
    pub fn gives(&self, verb: Verb) -> bool {
        self.given.iter().any(|grant| holds(grant, verb))
    }

    /// True when both sides allow `verb` on every subject.
    pub fn permits_all(&self, verb: Verb) -> bool {
        let all = |side: &[Grant]| {
            side.iter().any(|grant| {
                grant.verb == verb
                    && match &grant.scope {
                        Scope::Name(glob) | Scope::Path(glob) | Scope::Quota(glob, _) => glob == "*",
                        Scope::Host | Scope::MaxBytes(_) => true,
                        Scope::Directory(directory) => directory == "/",
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

    /// How many bytes the volumes of `pool` may have together for `verb`; none where neither side names a bound.
    pub fn volume_quota(&self, verb: Verb, pool: &str) -> Option<u64> {
        let widest = |side: &[Grant]| {
            let covering = side.iter().filter(|grant| grant.covers(verb, pool));
            let bounds = covering.map(|grant| match grant.scope {
                Scope::Quota(_, most) => most,
                _ => u64::MAX,
            });
            bounds.max().unwrap_or(0)
        };
        Some(widest(&self.asked).min(widest(&self.given))).filter(|most| *most < u64::MAX)
    }

    /// Directories that both sides allow, each with whether it may be written to: of one that lies in another, the inner one.
    pub fn directories(&self) -> BTreeMap<String, bool> {
        let side = |side: &[Grant]| -> Vec<(String, bool)> {
            let directory = |grant: &Grant| match &grant.scope {
                Scope::Directory(path) => Some((path.clone(), grant.verb == Verb::FsWrite)),
                _ => None,
            };
            side.iter().filter_map(directory).collect()
        };
        let mut both = BTreeMap::new();
        for (asked, asks_to_write) in side(&self.asked) {
            for (given, may_write) in side(&self.given) {
                let inner = match (is_below(&asked, &given), is_below(&given, &asked)) {
                    (true, _) => given,
                    (false, true) => asked.clone(),
                    (false, false) => continue,
                };
                *both.entry(inner).or_insert(false) |= asks_to_write && may_write;
            }
        }
        both
    }

    /// What the operator gave, as it was written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Those of `wants` that the operator has not given, or not as widely.
    pub fn uncovered<'a>(&self, wants: impl Iterator<Item = &'a WantedGrant>) -> Vec<WantedGrant> {
        let covered = |want: &WantedGrant| {
            Grant::parse(&want.grant).is_ok_and(|asked| self.given.iter().any(|given| given.includes(&asked)))
        };
        wants.filter(|want| !covered(want)).cloned().collect()
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

/// True for a grant of the verb; who may write below a directory may read there.
fn holds(grant: &Grant, verb: Verb) -> bool {
    grant.verb == verb || (verb == Verb::FsRead && grant.verb == Verb::FsWrite)
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
    fn directories_are_where_both_sides_meet() {
        let asked = ["fs:read path=/srv", "fs:write path=/var/lib/x", "fs:write path=/home"];
        let given = [
            "fs:write path=/srv/images",
            "fs:write path=/var/lib",
            "fs:read path=/home",
            "fs:read path=/etc",
        ];
        let directories: Vec<_> = grants(&asked, &given).directories().into_iter().collect();
        let expected = [("/home", false), ("/srv/images", false), ("/var/lib/x", true)];
        assert_eq!(directories, expected.map(|(path, write)| (path.to_owned(), write)));
        assert!(grants(&["fs:write path=/a"], &[]).asks(Verb::FsRead), "writing includes reading");
        assert!(grants(&["fs:read path=/srv"], &["fs:read path=/srv2"]).directories().is_empty());
    }

    #[test]
    fn what_is_not_covered_is_listed() {
        let both = grants(&["domain:read"], &["domain:read name=web-*"]);
        let wants = ["domain:read name=web-1*", "domain:read", "node:read"]
            .map(|grant| WantedGrant { grant: grant.into(), reason: String::new() });
        let lacking = both.uncovered(wants.iter());
        assert_eq!(
            lacking.iter().map(|want| want.grant.as_str()).collect::<Vec<_>>(),
            ["domain:read", "node:read"]
        );
    }

    #[test]
    fn the_narrower_side_bounds_volumes_and_the_widest_grant_of_a_side_counts() {
        let quota =
            |asked: &[&str], given: &[&str]| grants(asked, given).volume_quota(Verb::VolumeCreate, "a");
        assert_eq!(quota(&["volume:create"], &["volume:create"]), None);
        assert_eq!(quota(&["volume:create"], &["volume:create name=a max-bytes=7"]), Some(7));
        assert_eq!(quota(&["volume:create max-bytes=5"], &["volume:create name=a max-bytes=7"]), Some(5));
        let two = ["volume:create max-bytes=3", "volume:create name=a max-bytes=7", "volume:create name=b"];
        assert_eq!(quota(&["volume:create"], &two), Some(7));
        assert_eq!(quota(&["volume:create"], &["volume:create name=b"]), Some(0));
    }

    #[test]
    fn the_smaller_quota_counts() {
        assert_eq!(grants(&["kv:use max-bytes=1MiB"], &["kv:use"]).kv_quota(), Some(64 << 10));
        assert_eq!(grants(&["kv:use"], &[]).kv_quota(), None);
    }
}
