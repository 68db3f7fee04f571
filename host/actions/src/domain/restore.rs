//! Domains that go on from a file (guide 14.8.11), and starts from a managed save (guide 14.8.3).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_domain::save_image::{Purpose, SaveImage};
use reeve_domain::{Request, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::domain_save::SaveOptions;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::define;
use super::save::{absolute, image_error};
use super::save_image::read_given;
use super::startup::Occasion;
use crate::error::explain;
use crate::{Actions, blocking, document};

/// What a start begins with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) enum Origin {
    /// The kernel.
    #[default]
    Boot,
    /// The kernel, though there is a managed save.
    BootAnyway,
    /// What was saved.
    Image(StartImage),
}

impl Origin {
    /// Whether the managed save goes when the domain runs: it would bring back a guest that knows nothing of what its disks went through.
    pub fn ends_managed_save(&self) -> bool {
        match self {
            Self::Boot => false,
            Self::BootAnyway => true,
            Self::Image(image) => image.managed,
        }
    }
}

/// A file that a start goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StartImage {
    pub path: PathBuf,
    /// The save that wrote it: a file that took its place is another one.
    pub token: Uuid,
    pub bypass_cache: bool,
    /// It goes when the domain runs.
    pub managed: bool,
}

impl StartImage {
    /// What the driver wrote.
    pub async fn data(&self) -> Result<File, Error> {
        let (path, token, bypass_cache) = (self.path.clone(), self.token, self.bypass_cache);
        blocking(move || {
            let image = SaveImage::open(&path, Purpose::Read).map_err(image_error)?;
            if image.token() != token {
                let message = format!("save image '{}' was replaced by another one", path.display());
                return Err(Error::new(ErrorCode::WrongState, message));
            }
            image.data(bypass_cache).map_err(image_error)
        })
        .await
    }
}

/// What is in an image.
pub(super) struct Saved {
    pub config: DomainConfig,
    pub running: bool,
    pub token: Uuid,
}

/// Reads the document of an image; `xml` takes its place where it describes the same guest.
pub(super) async fn read(path: &Path, xml: Option<&str>) -> Result<Saved, Error> {
    let path = path.to_owned();
    let (text, uuid, running, token, driver) = blocking(move || {
        let image = SaveImage::open(&path, Purpose::Read).map_err(image_error)?;
        let text = image.document().map_err(image_error)?;
        Ok((text, image.uuid(), image.running(), image.token(), image.driver().to_owned()))
    })
    .await?;
    let own = document::parse_going_on(&text)?;
    define::check(&own)?;
    if own.uuid != uuid || own.domain_type.as_str() != driver {
        let message = format!(
            "the save image holds the document of another domain than it was made of, '{}'",
            own.name
        );
        return Err(Error::new(ErrorCode::Invalid, message));
    }
    let config = match xml {
        Some(xml) => read_given(&own, xml)?,
        None => own,
    };
    Ok(Saved { config, running, token })
}

impl Actions {
    /// Starts a domain where a file left it: a defined one, or a transient one where there is no definition. The file stays.
    pub async fn restore(
        self: &Arc<Self>,
        actor: &Actor,
        path: &str,
        xml: Option<&str>,
        options: SaveOptions,
    ) -> Result<DomainSummary, Error> {
        self.authorize(actor, Verb::DomainStart, "")?;
        let path = absolute(path)?;
        let Saved { config, running, token } = read(&path, xml).await?;
        self.authorize(actor, Verb::DomainStart, &config.name)?;
        self.definitions.check_identity(&config)?;
        let exists = self.domains.phase(config.uuid).is_ok();
        if exists {
            let subject = self.subject(actor, Verb::DomainStart, &config.uuid.to_string())?;
            self.permits(&subject, Request::Start)?;
        }
        let paused = !options.state.map_or(running, |state| state.runs());
        let config = Box::pin(self.prepare(actor, config, Occasion::GoOn)).await?;
        self.check_images(&path, &config).await?;
        let turn = match exists {
            true => self.turn(actor, config.uuid, Request::Start).await?,
            false => self.domains.begin_transient(actor.clone(), &config).map_err(explain)?,
        };
        let image = StartImage { path, token, bypass_cache: options.bypass_cache, managed: false };
        self.bring_up(actor, turn, config, paused, Origin::Image(image)).await
    }

    /// Images of a guest that was saved to a file of its operator's are not kept for it: what deletes a snapshot does not know that file.
    async fn check_images(&self, image: &Path, config: &DomainConfig) -> Result<(), Error> {
        let disks = config.devices.disks.iter();
        let places = disks.filter_map(|disk| Some((disk.target.clone(), disk.source.path()?.to_owned())));
        let places: Vec<(String, String)> = places.collect();
        let is_gone = |place: &str| {
            std::fs::metadata(place).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        let gone = blocking(move || Ok(places.into_iter().find(|(_, place)| is_gone(place)))).await?;
        let Some((target, place)) = gone else { return Ok(()) };
        let message = format!(
            "the guest in '{}' goes on with disk '{target}' in '{place}', which is not there any more",
            image.display()
        );
        Err(Error::new(ErrorCode::NotFound, message).with_hint(
            "an image is merged into another one and removed when its snapshot is deleted, or by a block commit: where nothing has been written \
             to that one since, name it in a document (--xml)",
        ))
    }

    /// Starts a domain from its managed save, which goes when it runs. `state` says whether its vCPUs run, in place of what was saved.
    pub(super) async fn start_saved(
        self: &Arc<Self>,
        actor: &Actor,
        uuid: Uuid,
        paused: bool,
        bypass_cache: bool,
    ) -> Result<DomainSummary, Error> {
        let path = self.managed_image(uuid);
        let Saved { config, running, token } = read(&path, None).await.map_err(managed_hint)?;
        if config.uuid != uuid {
            let message = format!("the managed save is of domain '{}'", config.name);
            return Err(managed_hint(Error::new(ErrorCode::Invalid, message)));
        }
        self.definitions.check_identity(&config)?;
        let config = Box::pin(self.prepare(actor, config, Occasion::GoOn)).await?;
        let turn: Turn = self.turn(actor, uuid, Request::Start).await?;
        let image = StartImage { path, token, bypass_cache, managed: true };
        let started = self.bring_up(actor, turn, config, paused || !running, Origin::Image(image)).await;
        started.map_err(|error| match self.used_image(uuid) {
            used if used.exists() && !self.managed_image(uuid).exists() => error.with_hint(format!(
                "what was saved is '{}' now, since the guest may have run for a moment: 'reeve domain restore' goes on from there, on disks as they were",
                used.display()
            )),
            _ => managed_hint(error),
        })
    }
}

/// There is a way to start without what was saved.
fn managed_hint(error: Error) -> Error {
    if error.hint.is_some() {
        return error;
    }
    error.with_hint("what was saved is kept; to boot without it, use 'reeve domain start --force-boot'")
}
