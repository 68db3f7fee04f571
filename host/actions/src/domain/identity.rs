//! What people know a domain by: title, description (guide 14.5.4) and name.

use std::sync::Arc;

use reeve_domain::Request;
use reeve_model::api::SetDescription;
use reeve_model::domain::DomainConfig;
use reeve_model::stats::DomainSummary;
use reeve_model::tuning::TuneOptions;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::settings_change::LiveSettings;
use super::{Attachment, Subject, define};
use crate::error::explain;
use crate::{Actions, document};

impl Actions {
    /// Changes title and description: of the running domain, of the definition, or of both.
    pub async fn describe(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        change: SetDescription,
        options: TuneOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainConfigure, key)?;
        Box::pin(self.describe_subject(actor, &subject, change, options)).await
    }

    async fn describe_subject(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &Subject,
        change: SetDescription,
        options: TuneOptions,
    ) -> Result<DomainSummary, Error> {
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let (live, config) = self.scope(subject, Attachment::of(options.live, options.config))?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if live {
            if !self.domains.phase(subject.uuid).map_err(explain)?.has_machine() {
                let message = format!("domain '{}' is not running", subject.name);
                return Err(Error::new(ErrorCode::WrongState, message)
                    .with_hint("give --config to change its definition"));
            }
            expects(&change, &snapshot.config)?;
            let mut whole = snapshot.config.clone();
            change.apply(&mut whole);
            define::check(&whole)?;
        }
        let apply = |definition: &mut DomainConfig| {
            // Who changes both has looked at the running domain.
            if !live {
                expects(&change, definition)?;
            }
            change.apply(definition);
            Ok(())
        };
        let definition = if config { self.plan_definition(actor, &snapshot, apply).await? } else { None };
        let live = live.then(|| LiveSettings::Description(change.clone()));
        self.change_settings(actor, turn, definition, live).await?;
        self.row(subject.uuid)
    }

    /// Gives a defined domain that is off another name; everything else of it, its UUID too, stays.
    ///
    /// What the host keeps by UUID goes on. Documents within a managed save and within snapshots have the old name, so there must be none.
    pub async fn rename(&self, actor: &Actor, key: &str, name: &str) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainDefine, key)?;
        self.authorize(actor, Verb::DomainDefine, name)?;
        if subject.name == name {
            let message = format!("domain '{name}' is called so already");
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let turn = self.turn(actor, subject.uuid, Request::Define).await?;
        self.may_be_renamed(&subject).await?;
        let before = self.domains.definition(subject.uuid).map_err(explain)?.ok_or_else(|| {
            let message = format!("domain '{}' is transient: it has no definition", subject.name);
            Error::new(ErrorCode::WrongState, message)
        })?;
        let mut after = before.as_ref().clone();
        name.clone_into(&mut after.name);
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let after = Box::pin(self.ask_definition(actor, &snapshot, after)).await?;
        self.definitions(move |definitions| definitions.rename(&turn, &before, after)).await?;
        self.row(subject.uuid)
    }

    async fn may_be_renamed(&self, subject: &Subject) -> Result<(), Error> {
        let name = &subject.name;
        let refuse = |sentence: String, hint: &str| {
            Err(Error::new(ErrorCode::WrongState, sentence).with_hint(hint.to_owned()))
        };
        if self.domains.phase(subject.uuid).map_err(explain)?.has_machine() {
            return refuse(
                format!("domain '{name}' is active: its name can't be changed"),
                "shut it down first",
            );
        }
        if self.managed_image(subject.uuid).exists() {
            let sentence = format!("domain '{name}' has a managed save, in which it is called '{name}'");
            return refuse(sentence, "start it, or forget the save with 'reeve domain managedsave-remove'");
        }
        if self.has_snapshots(subject.uuid).await? {
            let sentence = format!("domain '{name}' has snapshots, in which it is called '{name}'");
            return refuse(sentence, "delete them first; with --metadata what is in its images stays");
        }
        Ok(())
    }
}

/// Refuses to replace another text than the one that an editor began with.
fn expects(change: &SetDescription, config: &DomainConfig) -> Result<(), Error> {
    let Some(expected) = &change.expected else { return Ok(()) };
    let (what, now) = match &change.title {
        Some(_) => ("title", &config.title),
        None => ("description", &config.description),
    };
    if document::digest(now.as_deref().unwrap_or_default()) == *expected {
        return Ok(());
    }
    let message = format!("the {what} of domain '{}' was changed by somebody else meanwhile", config.name);
    Err(Error::new(ErrorCode::Busy, message).with_hint("begin the edit again from the new text"))
}
