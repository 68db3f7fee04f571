//! A packet filter that only remembers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Nft, NftError, NftFamily};

/// Stands in for nft in tests of what uses it: it keeps the scripts and fails when a test wants it to. It understands no rules.
#[derive(Debug, Default)]
pub struct FakeNft {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    scripts: Vec<String>,
    tables: HashMap<(NftFamily, String), String>,
    fail_in: Option<usize>,
}

impl FakeNft {
    /// Refuses the `nth` script from now on, once; the first is 1.
    pub fn fail_at(&self, nth: usize) {
        self.state().fail_in = Some(nth);
    }

    /// The scripts that were applied; the refused ones are not among them.
    pub fn scripts(&self) -> Vec<String> {
        self.state().scripts.clone()
    }

    /// Sets what a table is listed as.
    pub fn set_table(&self, family: NftFamily, name: &str, listing: Option<&str>) {
        let key = (family, name.to_owned());
        let tables = &mut self.state().tables;
        match listing {
            Some(listing) => tables.insert(key, listing.to_owned()),
            None => tables.remove(&key),
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nft for FakeNft {
    fn apply(&self, script: &str) -> Result<(), NftError> {
        let mut state = self.state();
        state.fail_in = state.fail_in.map(|left| left.saturating_sub(1));
        if state.fail_in.take_if(|left| *left == 0).is_some() {
            return Err(NftError::Refused { message: "the test wants it so".to_owned() });
        }
        state.scripts.push(script.to_owned());
        Ok(())
    }

    fn list_table(&self, family: NftFamily, name: &str) -> Result<Option<String>, NftError> {
        Ok(self.state().tables.get(&(family, name.to_owned())).cloned())
    }

    fn available(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_script_fails_once() {
        let nft = FakeNft::default();
        nft.fail_at(2);
        nft.apply("one").unwrap();
        let refused = nft.apply("two").unwrap_err();
        assert_eq!(refused.to_string(), "packet filter rules are refused: the test wants it so");
        nft.apply("three").unwrap();
        assert_eq!(nft.scripts(), ["one", "three"]);
        nft.set_table(NftFamily::Inet, "reeve", Some("table inet reeve {}"));
        assert!(nft.list_table(NftFamily::Inet, "reeve").unwrap().is_some());
        assert!(nft.list_table(NftFamily::Ip, "reeve").unwrap().is_none());
    }
}
