//! Where an installed policy came from, so that its signature can be verified again without the registry.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::OciError;
use crate::pull::Artifact;
use crate::signature::Signature;
use crate::store::{Store, StoreError};
use crate::trust::{TrustPolicy, Verified};

/// Written when a policy is installed, read when it is loaded again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// What was asked for, with its tag.
    pub reference: String,
    /// Registry and repository, what rules of trust are about.
    pub name: String,
    /// Digest of the manifest: what the policy is pinned to.
    pub manifest: Digest,
    /// Digest of the component.
    pub component: Digest,
    /// The signatures it came with.
    pub signatures: Vec<Signature>,
    /// Id of the key that was trusted then; none when it was taken without.
    pub key: Option<Digest>,
}

impl Record {
    /// What is to be written down about an artifact that was found trustworthy.
    pub fn of(artifact: &Artifact, signatures: Vec<Signature>, verified: Verified) -> Self {
        let key = match verified {
            Verified::By(key) => Some(key),
            Verified::Unsigned => None,
        };
        Self {
            reference: artifact.reference.to_string(),
            name: artifact.reference.name(),
            manifest: artifact.digest,
            component: artifact.component().0,
            signatures,
            key,
        }
    }

    /// Verifies again, from what is kept: the manifest names this component, and is still trusted. What was taken unsigned by
    /// an operator's word stays taken, unless a rule names its repository now.
    pub fn verify(&self, store: &Store, trust: &TrustPolicy) -> Result<Verified, OciError> {
        let wrong = |source| OciError::Manifest { name: self.reference.clone(), source };
        let missing =
            || OciError::NotFound(format!("{}: its manifest {} is gone", self.reference, self.manifest));
        let bytes = store.blob(self.manifest).map_err(OciError::from)?.ok_or_else(missing)?;
        let manifest = crate::manifest::Manifest::parse(&bytes).map_err(wrong)?;
        let found = manifest.component().map_err(wrong)?.digest;
        if found != self.component {
            let (name, wanted) = (self.reference.clone(), self.component);
            return Err(OciError::Changed { what: "component", name, found, wanted });
        }
        Ok(trust.verify(&self.name, self.manifest, &self.signatures, self.key.is_none())?)
    }
}

impl Store {
    /// Keeps the manifest of an artifact and the record of it, after the component itself was kept.
    pub fn put_installed(
        &self,
        policy: &str,
        artifact: &Artifact,
        record: &Record,
    ) -> Result<(), StoreError> {
        self.put(&artifact.bytes)?;
        self.put_record(policy, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Descriptor, Manifest, WASM, WASM_CONFIG};
    use crate::signature::tests::key;
    use crate::trust::Rule;

    fn artifact(component: &[u8]) -> Artifact {
        let layers = vec![Descriptor::of(WASM, component)];
        let manifest = Manifest::new(Descriptor::of(WASM_CONFIG, b"{}"), layers, Default::default());
        let reference = "example.org/naming:1".parse().expect("a reference");
        Artifact::read(&reference, manifest.to_bytes()).expect("a Wasm artifact")
    }

    #[test]
    fn an_installed_policy_is_verified_again_without_the_registry() {
        let dir = tempfile::tempdir().expect("temporary");
        let store = Store::open(dir.path()).expect("made");
        let (mine, other) = (key(), key());
        let artifact = artifact(b"component");
        let signatures = vec![Signature::make("example.org/naming", artifact.digest, &mine)];
        let record = Record::of(&artifact, signatures, Verified::By(mine.public().id()));
        assert!(record.verify(&store, &TrustPolicy::default()).is_err(), "its manifest is not there yet");
        store.put_installed("naming", &artifact, &record).expect("kept");

        let rule = |keys| TrustPolicy {
            rules: vec![Rule { repository: "example.org/*".into(), keys }],
            ..TrustPolicy::default()
        };
        let read = store.record("naming", artifact.component().0).expect("read").expect("there");
        assert_eq!(
            read.verify(&store, &rule(vec![mine.public()])).expect("trusted"),
            Verified::By(mine.public().id())
        );
        let revoked = read.verify(&store, &rule(vec![other.public()])).expect_err("key is gone").to_string();
        assert!(revoked.contains("by none of the 1 keys"), "{revoked}");
        let no_rule = read.verify(&store, &TrustPolicy::default()).expect_err("rule is gone").to_string();
        assert!(no_rule.contains("no rule of trust"), "{no_rule}");
        let exchanged = Record { component: Digest::of(b"other"), ..read };
        let error = exchanged.verify(&store, &rule(vec![mine.public()])).expect_err("exchanged").to_string();
        assert!(error.contains("was changed"), "{error}");
    }

    #[test]
    fn what_was_taken_unsigned_stays_until_a_rule_names_it() {
        let dir = tempfile::tempdir().expect("temporary");
        let store = Store::open(dir.path()).expect("made");
        let artifact = artifact(b"component");
        let record = Record::of(&artifact, Vec::new(), Verified::Unsigned);
        store.put_installed("naming", &artifact, &record).expect("kept");
        assert_eq!(record.verify(&store, &TrustPolicy::default()).expect("taken"), Verified::Unsigned);
        let keys = vec![key().public()];
        let rule = Rule { repository: "example.org/*".into(), keys };
        let trust = TrustPolicy { rules: vec![rule], ..TrustPolicy::default() };
        assert!(record.verify(&store, &trust).expect_err("a rule").to_string().contains("is not signed"));
    }
}
