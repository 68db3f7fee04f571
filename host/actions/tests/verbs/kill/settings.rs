//! Settings of a running domain and of its definition.

use reeve_model::Error;
use reeve_model::api::SetDescription;
use reeve_model::tuning::{Schedule, TuneOptions, Tuning};

use crate::support::{Host, ROOT};

const BOTH: TuneOptions = TuneOptions { live: true, config: true };

pub(super) async fn tune(host: &Host) -> Result<(), Error> {
    let schedule = Schedule { cpu_shares: Some(512), ..Schedule::default() };
    host.tune(&ROOT, "web", Tuning { schedule, ..Tuning::default() }, BOTH).await.map(drop)
}

pub(super) async fn describe(host: &Host) -> Result<(), Error> {
    let change = SetDescription { title: Some("The shop".to_owned()), ..SetDescription::default() };
    host.describe(&ROOT, "web", change, BOTH).await.map(drop)
}

/// Whether the documents of the running domain and of its definition have these words.
pub(super) fn in_both(host: &Host, words: &str) -> bool {
    let [live, config] =
        [false, true].map(|inactive| host.xml(&ROOT, "web", inactive).unwrap().contains(words));
    assert_eq!(live, config, "in both or in none");
    live
}
