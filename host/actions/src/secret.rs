//! Verbs on secrets: passphrases and keys that storage and networks need.
//!
//! A secret is a document and, once it was set, a value. Ephemeral ones are here and nowhere else; the others are in the store, their
//! values sealed. No message, event or log has a value in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reeve_domain::Keys;
use reeve_model::event::EventKind;
use reeve_model::secret::{
    DefinedSecret, SecretChange, SecretConfig, SecretKind, SecretSummary, SecretValue,
};
use reeve_model::storage::SecretReference;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::SecretRow;
use uuid::Uuid;

use crate::{Actions, document};

/// What is known of secrets beside the store.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    ephemeral: Mutex<BTreeMap<Uuid, Known>>,
    /// One change at a time, from its checks to its end.
    changing: tokio::sync::Mutex<()>,
}

/// A secret without its value, or an ephemeral one with it.
#[derive(Debug, Clone)]
struct Known {
    config: SecretConfig,
    value: Option<SecretValue>,
    has_value: bool,
}

impl Secrets {
    fn ephemeral(&self) -> MutexGuard<'_, BTreeMap<Uuid, Known>> {
        self.ephemeral.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actions {
    /// All secrets that `actor` may see, by usage.
    pub async fn secrets(&self, actor: &Actor) -> Result<Vec<SecretSummary>, Error> {
        if !matches!(actor, Actor::Policy { .. }) {
            self.authorize(actor, Verb::SecretRead, "")?;
        }
        let mut all = self.known_secrets().await?;
        all.retain(|known| self.authorize(actor, Verb::SecretRead, &known.config.subject()).is_ok());
        Ok(all.iter().map(summary).collect())
    }

    /// The document of a secret.
    pub async fn secret_xml(&self, actor: &Actor, key: &str) -> Result<String, Error> {
        self.secret(actor, Verb::SecretRead, key).await.map(|known| document::format_secret(&known.config))
    }

    /// Adds a secret, or replaces the document of the one with its UUID, whose value stays.
    pub async fn define_secret(
        &self,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<DefinedSecret, Error> {
        let (config, warnings) = document::parse_secret(xml, strict)?;
        let name = config.subject();
        self.authorize(actor, Verb::SecretDefine, &name)?;
        let _changing = self.secrets.changing.lock().await;
        let all = self.known_secrets().await?;
        let same_usage = |known: &&Known| config.usage.is_some() && known.config.usage == config.usage;
        if let Some(other) = all.iter().find(same_usage).filter(|other| other.config.uuid != config.uuid) {
            let message = format!("a secret for '{name}' exists already, with UUID {}", other.config.uuid);
            let hint = format!("write <uuid>{}</uuid> to change that secret", other.config.uuid);
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
        }
        let old = all.into_iter().find(|known| known.config.uuid == config.uuid);
        if let Some(old) = &old {
            self.authorize(actor, Verb::SecretDefine, &old.config.subject())?;
            refuse_loosened(&old.config, &config)?;
        }
        let known = match (config.ephemeral, old) {
            (true, old) => {
                let value = old.and_then(|old| old.value);
                Known { config: config.clone(), has_value: value.is_some(), value }
            }
            (false, old) => {
                let has_value = old.is_some_and(|old| old.has_value);
                let usage = config.usage.as_ref().map(|usage| format!("{} {}", usage.kind, usage.id));
                let row =
                    SecretRow { uuid: config.uuid, usage, xml: document::format_secret(&config), has_value };
                self.store(move |store| store.put_secret(&row)).await?;
                Known { config: config.clone(), has_value, value: None }
            }
        };
        let secret = summary(&known);
        if known.config.ephemeral {
            self.secrets.ephemeral().insert(config.uuid, known);
        }
        self.tell_secret(actor, &config, SecretChange::Defined);
        Ok(DefinedSecret { secret, warnings })
    }

    /// Removes a secret with its value.
    pub async fn undefine_secret(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let _changing = self.secrets.changing.lock().await;
        let config = self.secret(actor, Verb::SecretUndefine, key).await?.config;
        let uuid = config.uuid;
        match config.ephemeral {
            true => drop(self.secrets.ephemeral().remove(&uuid)),
            false => drop(self.store(move |store| store.remove_secret(uuid)).await?),
        }
        self.tell_secret(actor, &config, SecretChange::Undefined);
        Ok(())
    }

    /// Gives a secret its value, in place of the one before.
    pub async fn set_secret_value(&self, actor: &Actor, key: &str, value: SecretValue) -> Result<(), Error> {
        let _changing = self.secrets.changing.lock().await;
        let config = self.secret(actor, Verb::SecretSet, key).await?.config;
        let uuid = config.uuid;
        if config.ephemeral {
            if let Some(known) = self.secrets.ephemeral().get_mut(&uuid) {
                (known.value, known.has_value) = (Some(value), true);
            }
        } else if !self.store(move |store| store.put_secret_value(uuid, &value)).await? {
            return Err(missing(key));
        }
        self.tell_secret(actor, &config, SecretChange::ValueChanged);
        Ok(())
    }

    /// The value of a secret that is not private.
    pub async fn secret_value(&self, actor: &Actor, key: &str) -> Result<SecretValue, Error> {
        let known = self.secret(actor, Verb::SecretReveal, key).await?;
        let name = known.config.subject();
        if known.config.private {
            let message = format!("secret '{name}' is private: its value is told to nobody");
            return Err(Error::new(ErrorCode::Denied, message));
        }
        self.value_of(known).await?.ok_or_else(|| without_value(&name))
    }

    /// The value that a document refers to, for the host's own use: private ones too.
    pub(crate) async fn referred_secret(
        &self,
        reference: &SecretReference,
        subject: &str,
    ) -> Result<(Uuid, SecretValue), Error> {
        let known = self.referred(reference, subject).await?;
        let (uuid, name) = (known.config.uuid, known.config.subject());
        Ok((uuid, self.value_of(known).await?.ok_or_else(|| without_value(&name))?))
    }

    /// As [`Self::referred_secret`], of a secret that is for this and for nothing else.
    pub(crate) async fn referred_secret_for(
        &self,
        kind: SecretKind,
        reference: &SecretReference,
        subject: &str,
    ) -> Result<SecretValue, Error> {
        let known = self.referred(reference, subject).await?;
        let name = known.config.subject();
        if known.config.usage.as_ref().is_none_or(|usage| usage.kind != kind) {
            let message = format!("{subject}: secret '{name}' is not for it");
            let hint = format!("define one with <usage type='{kind}'><{0}>…</{0}></usage>", kind.element());
            return Err(Error::new(ErrorCode::Invalid, message).with_hint(hint));
        }
        self.value_of(known).await?.ok_or_else(|| without_value(&name))
    }

    async fn referred(&self, reference: &SecretReference, subject: &str) -> Result<Known, Error> {
        let invalid = |reason: String| Error::new(ErrorCode::Invalid, format!("{subject}: {reason}"));
        let key = reference.uuid.as_ref().or(reference.usage.as_ref());
        let key =
            key.ok_or_else(|| invalid("its <secret> names none; write uuid='…' or usage='…'".into()))?;
        let known = self.known_secrets().await?.into_iter().find(|known| is_named(&known.config, key));
        known.ok_or_else(|| {
            invalid(format!("there is no secret '{key}'"))
                .with_hint("define it with 'reeve secret define', and give it a value")
        })
    }

    async fn value_of(&self, known: Known) -> Result<Option<SecretValue>, Error> {
        let uuid = known.config.uuid;
        match known.config.ephemeral {
            true => Ok(known.value),
            false => self.store(move |store| store.secret_value(uuid)).await,
        }
    }

    /// The secret with this UUID or usage, if `actor` may use `verb` on it.
    async fn secret(&self, actor: &Actor, verb: Verb, key: &str) -> Result<Known, Error> {
        let found = self.known_secrets().await?.into_iter().find(|known| is_named(&known.config, key));
        let Some(known) = found else {
            self.authorize(actor, verb, key)?;
            return Err(missing(key));
        };
        self.authorize(actor, verb, &known.config.subject())?;
        Ok(known)
    }

    async fn known_secrets(&self) -> Result<Vec<Known>, Error> {
        let rows = self.store(|store| store.secrets()).await?;
        let mut all: Vec<Known> = self.secrets.ephemeral().values().cloned().collect();
        for row in rows {
            match document::parse_secret(&row.xml, false) {
                Ok((config, _)) => all.push(Known { config, has_value: row.has_value, value: None }),
                Err(error) => tracing::error!(uuid = %row.uuid, %error, "a secret can't be read"),
            }
        }
        all.sort_by(|one, other| {
            one.config.subject().cmp(&other.config.subject()).then(one.config.uuid.cmp(&other.config.uuid))
        });
        Ok(all)
    }

    fn tell_secret(&self, actor: &Actor, config: &SecretConfig, change: SecretChange) {
        let (uuid, name) = (config.uuid, config.subject());
        self.bus.publish(actor.clone(), EventKind::Secret { uuid, name, change });
    }
}

#[async_trait]
impl Keys for Actions {
    async fn passphrase(&self, subject: &str, secret: &SecretReference) -> Result<SecretValue, Error> {
        self.referred_secret(secret, subject).await.map(|(_, value)| value)
    }
}

fn is_named(config: &SecretConfig, key: &str) -> bool {
    key.parse() == Ok(config.uuid) || config.usage.as_ref().is_some_and(|usage| usage.id == key)
}

/// What keeps a value in can't be taken off it, nor may it move to the disk.
fn refuse_loosened(old: &SecretConfig, new: &SecretConfig) -> Result<(), Error> {
    let what = match (old.private && !new.private, old.ephemeral != new.ephemeral) {
        (true, _) => "private",
        (false, true) => "ephemeral",
        (false, false) => return Ok(()),
    };
    let message = format!("secret '{}' can't have another '{what}'", old.subject());
    Err(Error::new(ErrorCode::WrongState, message).with_hint("undefine it, and define it anew"))
}

fn missing(key: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("secret '{key}' does not exist"))
        .with_hint("'reeve secret list' shows all secrets")
}

fn without_value(name: &str) -> Error {
    Error::new(ErrorCode::WrongState, format!("secret '{name}' has no value"))
        .with_hint("give it one with 'reeve secret set-value'")
}

fn summary(known: &Known) -> SecretSummary {
    let config = &known.config;
    SecretSummary {
        uuid: config.uuid,
        usage: config.usage.as_ref().map(|usage| usage.kind),
        usage_id: config.usage.as_ref().map(|usage| usage.id.clone()),
        description: config.description.clone(),
        ephemeral: config.ephemeral,
        private: config.private,
        has_value: known.has_value,
    }
}
