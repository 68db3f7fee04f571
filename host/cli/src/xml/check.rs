//! `reeve xml check`.

use std::path::{Path, PathBuf};

use clap::Args;
use reeve_xml::{Kind, Warning, XmlError};
use serde::Serialize;

use crate::context::{Context, read_bytes};
use crate::exit::Invalid;
use crate::output::{Format, Show};

/// Options of `reeve xml check`.
#[derive(Debug, Args)]
#[command(after_help = "\
The canonical form goes to standard output, warnings and errors to standard error, each with its line and column. The kind is
told by the root element: domain, network, pool, volume, nwfilter, domainsnapshot, secret, interface, nodedev, capabilities, cpu…

Exit status: 0 when every document is good, 7 when one is not, 3 when a file is missing.

Examples:
  reeve xml check web.xml
  reeve xml check --strict --quiet /etc/libvirt/qemu/*.xml
  virsh net-dumpxml default | reeve xml check --kind network -")]
pub struct Check {
    /// Documents, - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take nothing but this kind of document
    #[arg(long)]
    kind: Option<Kind>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Do not print the canonical form
    #[arg(short, long)]
    quiet: bool,
}

impl Check {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut reports = Vec::new();
        for file in &self.files {
            reports.push(self.report(file, &read_bytes(file)?));
        }
        let bad = reports.iter().filter(|report| report.error.is_some()).count();
        if context.format == Format::Table {
            for report in &reports {
                report.remarks().iter().for_each(|remark| context.note(remark));
            }
        }
        context.show(&Reports(reports))?;
        match (bad, self.files.len()) {
            (0, _) => Ok(()),
            (1, 1) => Err(Invalid("the document is not valid".to_owned()).into()),
            (bad, all) => Err(Invalid(format!("{bad} of {all} documents are not valid")).into()),
        }
    }

    /// What is to be said about one document.
    fn report(&self, file: &Path, bytes: &[u8]) -> Report {
        let file = file.display().to_string();
        let checked = reeve_xml::decode(bytes).and_then(|text| reeve_xml::check(text, self.kind));
        let (checked, error) = match checked {
            Ok(checked) => (Some(checked), None),
            Err(error) => (None, Some(error)),
        };
        let (kind, canonical, warnings) = match checked {
            Some(checked) => (Some(checked.kind.to_string()), Some(checked.canonical), checked.warnings),
            None => (None, None, Vec::new()),
        };
        let error = error.or_else(|| warnings.first().filter(|_| self.strict).cloned().map(XmlError::from));
        Report { file, kind, canonical: canonical.filter(|_| !self.quiet), warnings, error }
    }
}

/// One document.
#[derive(Serialize)]
struct Report {
    file: String,
    kind: Option<String>,
    canonical: Option<String>,
    warnings: Vec<Warning>,
    error: Option<XmlError>,
}

impl Report {
    /// Warnings and the error, a line each.
    fn remarks(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|warning| format!("{}: warning: {warning}", self.file));
        let error = self.error.iter().map(|error| format!("{}: error: {error}", self.file));
        warnings.chain(error).collect()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Reports(Vec<Report>);

impl Show for Reports {
    const ELEMENT: &'static str = "checks";

    fn human(&self) -> String {
        let good = self.0.iter().filter(|report| report.error.is_none());
        good.filter_map(|report| report.canonical.as_deref()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strict: bool) -> Check {
        Check { files: Vec::new(), kind: None, strict, quiet: false }
    }

    const GOOD: &[u8] = b"<network><name>default</name><bridge name='virbr0'/></network>";
    const BAD: &[u8] = b"<network>\n  <name>default</nam>\n</network>";

    #[test]
    fn reports_name_the_place() {
        let good = check(false).report(Path::new("good.xml"), GOOD);
        let bad = check(false).report(Path::new("bad.xml"), BAD);
        let mut lines = bad.remarks();
        lines.extend(good.remarks());
        lines.push(Reports(vec![good, bad]).human());
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn strict_makes_a_warning_an_error() {
        let typo = b"<network><name>default</name><brigde name='virbr0'/></network>";
        assert!(check(false).report(Path::new("a.xml"), typo).error.is_none());
        let strict = check(true).report(Path::new("a.xml"), typo);
        assert!(strict.error.is_some_and(|error| error.path.contains("brigde")));
    }
}
