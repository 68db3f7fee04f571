//! `reeve node cpu-models`, `cpu-compare` and `cpu-baseline` (guide 14.16).

use std::path::PathBuf;

use clap::Args;
use reeve_model::node::{CpuComparison, CpuModel, CpuRelation};
use serde::Serialize;

use crate::context::{Context, read_document};
use crate::output::{Show, or_dash, table, yes_no};

/// Options of `reeve node cpu-models`.
#[derive(Debug, Args)]
pub struct CpuModels {
    /// Only those of which the host has all features
    #[arg(long)]
    usable: bool,
}

impl CpuModels {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut models = context.client.cpu_models().await?;
        models.retain(|model| model.usable || !self.usable);
        context.show(&Models(models))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Models(Vec<CpuModel>);

impl Show for Models {
    const ELEMENT: &'static str = "models";

    fn human(&self) -> String {
        let row = |model: &CpuModel| {
            let missing = Some(model.missing.join(" ")).filter(|missing| !missing.is_empty());
            [
                model.name.clone(),
                or_dash(model.vendor.as_ref()),
                yes_no(model.usable).to_owned(),
                or_dash(missing),
            ]
        };
        table(["Model", "Vendor", "Usable", "The host lacks"], self.0.iter().map(row))
    }
}

/// Options of `reeve node cpu-compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document is a <cpu>, or one with a <cpu> in it: a domain, or the capabilities of another host. A CPU that the host can't be ends
the command with status 1.")]
pub struct CpuCompare {
    /// A document with a CPU, - for standard input
    file: PathBuf,
}

impl CpuCompare {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let comparison = context.client.compare_cpu(&read_document(&self.file)?).await?;
        let fits = comparison.relation != CpuRelation::Incompatible;
        let compared = Compared { file: self.file.display().to_string(), comparison };
        if fits {
            return context.show(&compared);
        }
        let error = reeve_model::Error::new(reeve_model::ErrorCode::Unsupported, compared.human());
        Err(reeve_client::ClientError::Refused(error).into())
    }
}

#[derive(Serialize)]
struct Compared {
    #[serde(skip)]
    file: String,
    #[serde(flatten)]
    comparison: CpuComparison,
}

impl Show for Compared {
    const ELEMENT: &'static str = "comparison";

    fn human(&self) -> String {
        let Self { file, comparison: CpuComparison { relation, missing } } = self;
        match relation {
            CpuRelation::Identical => {
                format!("CPU described in {file} is identical to host physical machine CPU")
            }
            CpuRelation::Superset => {
                format!("Host physical machine CPU is a superset of CPU described in {file}")
            }
            CpuRelation::Incompatible if missing.is_empty() => {
                format!(
                    "CPU described in {file} is incompatible with host physical machine CPU: it is of another vendor"
                )
            }
            CpuRelation::Incompatible => format!(
                "CPU described in {file} is incompatible with host physical machine CPU, which lacks {}",
                missing.join(", ")
            ),
        }
    }
}

/// Options of `reeve node cpu-baseline`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds several <cpu>, one after another or in documents; what is printed can be put into a domain document.")]
pub struct CpuBaseline {
    /// A file with several CPUs, - for standard input
    file: PathBuf,
}

impl CpuBaseline {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let cpu = context.client.baseline_cpu(&read_document(&self.file)?).await?;
        context.show(&Baseline { cpu })
    }
}

#[derive(Serialize)]
struct Baseline {
    cpu: String,
}

impl Show for Baseline {
    const ELEMENT: &'static str = "baseline";

    fn human(&self) -> String {
        self.cpu.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_s_sentence() {
        let comparison = CpuComparison { relation: CpuRelation::Superset, missing: Vec::new() };
        let file = "virsh-caps-workstation-cpu-only.xml".to_owned();
        assert_eq!(
            Compared { file, comparison }.human(),
            "Host physical machine CPU is a superset of CPU described in virsh-caps-workstation-cpu-only.xml"
        );
    }
}
