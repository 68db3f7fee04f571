//! `reeve image check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reeve_image::{Access, Format, Repair};
use serde::Serialize;

use super::cache::Mode;
use super::open;
use crate::context::Context;
use crate::exit::Invalid;
use crate::output::Show;

/// Options of `reeve image check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 when the image is sound, 7 when something is wrong with it still.

Examples:
  reeve image check disk.qcow2
  reeve image check --repair leaks disk.qcow2   give back space that nobody uses
  reeve image check --repair all disk.qcow2     count references anew too; back the image up before")]
pub struct Check {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: only qcow2 can be checked
    #[arg(short, long)]
    format: Option<Format>,
    /// Repair what can be repaired
    #[arg(short, long, value_enum)]
    repair: Option<What>,
    /// Whether reads go by the host's page cache
    #[arg(short = 'T', long, value_enum, default_value_t, value_name = "CACHE")]
    source_cache: Mode,
}

/// What is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Space that nobody uses
    Leaks,
    /// Counts of references too
    All,
}

impl Check {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (repair, access) = match self.repair {
            None => (Repair::Nothing, Access::Read),
            Some(What::Leaks) => (Repair::Leaks, Access::Write),
            Some(What::All) => (Repair::All, Access::Write),
        };
        let file = open::file(&self.file, access)?.with_cache(self.source_cache.into())?;
        let format = open::format(context, &file, self.format)?;
        let report = Report(reeve_image::check(file, format, repair)?);
        context.show(&report)?;
        if report.0.is_clean() {
            return Ok(());
        }
        let text = format!(
            "the image has {} corruptions and {} leaked clusters",
            report.0.corruptions, report.0.leaks
        );
        Err(Invalid(text).into())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(reeve_image::Check);

impl Show for Report {
    const ELEMENT: &'static str = "check";

    fn human(&self) -> String {
        let check = &self.0;
        let mut lines = check.problems.clone();
        if check.leaks_fixed + check.corruptions_fixed > 0 {
            lines.push(format!(
                "Repaired: {} leaked clusters, {} corruptions",
                check.leaks_fixed, check.corruptions_fixed
            ));
        }
        if check.is_clean() {
            lines.push("No errors were found on the image.".to_owned());
        }
        let percent =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
        lines.push(format!(
            "{}/{} = {:.2}% allocated, {:.2}% fragmented, {:.2}% compressed clusters",
            check.allocated_clusters,
            check.total_clusters,
            percent(check.allocated_clusters, check.total_clusters),
            percent(check.fragmented_clusters, check.allocated_clusters),
            percent(check.compressed_clusters, check.allocated_clusters),
        ));
        lines.push(format!("Image end offset: {}", check.image_end_offset));
        lines.join("\n")
    }
}
