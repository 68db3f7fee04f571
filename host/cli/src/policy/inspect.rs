//! `reeve policy inspect`: what a component is, what it wants and what it would get.

mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_model::policy::PolicyInfo;
use reeve_package::{Manifest, component};
use reeve_policy::grants::Grants;
use reeve_policy::limits::Limits;
use reeve_policy::loader;
use reeve_policy::schema::ConfigSchema;
use serde_json::Value;

use self::report::{Installed, Need, Report, Want};
use super::annotate::invalid;
use super::build::digest;
use crate::context::{Context, read_bytes};
use crate::exit::Invalid;

/// Options of `reeve policy inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads the component and compiles nothing. Needs no daemon, except for --installed.

Examples:
  reeve policy inspect naming.wasm
  reeve policy inspect admission.wasm --grant domain:read --config '{\"vcpus-per-cpu\": 4}'
  reeve policy inspect admission.wasm --installed admission --output json")]
pub struct Inspect {
    /// A component, - for standard input
    file: PathBuf,
    /// A grant that it would be given; may be repeated
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// A configuration to check against its schema: JSON text
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Compare with this policy of the daemon, and count its grants
    #[arg(long, value_name = "NAME")]
    installed: Option<String>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let bytes = read_bytes(&self.file)?;
        let subject = || format!("'{}'", self.file.display());
        let manifest = loader::manifest(&bytes).map_err(|error| invalid(&error)).with_context(subject)?;
        let installed = match &self.installed {
            Some(name) => Some(context.client.policy(name).await?),
            None => None,
        };
        let config = self.config.as_deref().map(json).transpose()?;
        let report = report(&bytes, &manifest, &self.grants, config.as_ref(), installed.as_ref())?;
        context.show(&report)
    }
}

fn json(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).map_err(|error| Invalid(format!("--config is not JSON: {error}")).into())
}

/// Puts a report together. `offered` are the grants of the command line.
fn report(
    bytes: &[u8],
    manifest: &Manifest,
    offered: &[String],
    config: Option<&Value>,
    installed: Option<&PolicyInfo>,
) -> anyhow::Result<Report> {
    let shape = component::shape(bytes).map_err(|error| invalid(&error))?;
    let had = installed.map_or(&[][..], |policy| &policy.granted);
    let all: Vec<String> = had.iter().chain(offered).cloned().collect();
    let grants = Grants::new(&manifest.wants, &all).map_err(|error| invalid(&error))?;
    let had = Grants::new(&manifest.wants, had).map_err(|error| invalid(&error))?;
    let wants = manifest.wants.iter().map(|want| Want::new(want, &had, &grants)).collect();
    let needs: Vec<Need> = shape.imports.iter().map(|import| Need::new(import, &grants)).collect();
    let schema = ConfigSchema::new(manifest.config_schema.as_ref()).map_err(Invalid)?;
    Ok(Report {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        description: manifest.description.clone(),
        author: manifest.author.clone(),
        licence: manifest.licence.clone(),
        digest: digest(bytes),
        bytes: bytes.len(),
        hooks: shape.exports.iter().filter(|export| export.starts_with("reeve:")).cloned().collect(),
        missing: needs
            .iter()
            .flat_map(|need| &need.missing)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect(),
        imports: needs,
        wants,
        unasked: grants.unasked().map(str::to_owned).collect(),
        limits: report::limits(&manifest.limits, &Limits::wanted(&manifest.limits)),
        config: report::settings(manifest.config_schema.as_ref()),
        config_error: config.and_then(|config| schema.check(config).err()),
        config_checked: config.is_some(),
        installed: installed.map(|policy| Installed::new(policy, &digest(bytes))),
    })
}
