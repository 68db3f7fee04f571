//! The files of disks that come with a guest: made before its machine, and removed where the guest never ran here.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::migration::Witness;
use reeve_model::Error;
use reeve_model::domain::DomainConfig;
use reeve_model::migration::CopiedDisk;

use super::arrive::Arrive;
use super::{copied_disks, made_file};
use crate::Actions;
use crate::journal::Step;

/// A file is made for each disk that has none, one at a time; before it has the disk's name it is noted which file it is.
pub(super) struct MakeDisks;

#[async_trait]
impl Step<Arrive> for MakeDisks {
    fn name(&self) -> &'static str {
        "disks"
    }

    async fn run(&self, _actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        let Some(place) = arrive.places.get(arrive.made).cloned() else { return Ok(()) };
        let (config, disks) = (arrive.config.clone(), arrive.disks.clone());
        let unfinished = made_file::unfinished(&place, arrive.migration, arrive.made);
        if arrive.files.len() == arrive.made {
            let made = move || copied_disks::make(&config, &disks, &place, &unfinished);
            arrive.files.push(crate::blocking(made).await?);
        } else {
            crate::blocking(move || copied_disks::keep(&config, &disks, &place, &unfinished)).await?;
            arrive.made += 1;
        }
        Ok(())
    }

    fn goes_on(&self, arrive: &Arrive) -> bool {
        arrive.made < arrive.places.len()
    }

    async fn undo(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        // Its machine comes after all of them. When the host itself went down there is no other witness of that.
        let no_machine = arrive.made < arrive.places.len();
        let never_ran =
            no_machine || matches!(actions.migrations.witness(arrive.migration), Witness::NeverRan);
        if !arrive.refused && !never_ran {
            // What the guest wrote here is nowhere else.
            return Ok(());
        }
        let (places, files, migration) = (arrive.places.clone(), arrive.files.clone(), arrive.migration);
        crate::blocking(move || {
            // The last one may have been made, and not noted: no one but this migration has that name.
            for (number, place) in places.iter().enumerate().take(files.len() + 1) {
                made_file::remove_unfinished(&made_file::unfinished(place, migration, number));
                if let Some(file) = files.get(number) {
                    file.remove(place);
                }
            }
            Ok(())
        })
        .await
    }
}

impl Actions {
    /// Files that have to be made for disks that come; an error where one can't come.
    pub(super) async fn missing_disks(
        &self,
        config: &DomainConfig,
        disks: &[CopiedDisk],
    ) -> Result<Vec<PathBuf>, Error> {
        let (config, disks) = (config.clone(), disks.to_vec());
        crate::blocking(move || copied_disks::check(&config, &disks)).await
    }
}
