//! `reeve domain define`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::api::{DefineOptions, Defined};

use crate::context::{Context, read_document};
use crate::output::Show;

/// Options of `reeve domain define`.
#[derive(Debug, Args)]
#[command(after_help = "\
A document with the name and UUID of a defined domain replaces its definition; a running domain uses it from its next start.
Elements and attributes that are not known, or that this host will not honour, are kept and named in a warning.

Examples:
  reeve domain define web.xml
  reeve domain xml web | sed s/web/web2/ | grep -v uuid | reeve domain define -")]
pub struct Define {
    /// A domain XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

impl Define {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let options = DefineOptions { strict: self.strict, ..DefineOptions::default() };
        let defined = context.client.define_domain(&document, options).await?;
        warn(context, &defined);
        context.show(&defined)
    }
}

/// Writes the warnings about a document to standard error.
pub(crate) fn warn(context: &Context, defined: &Defined) {
    context.warn(&defined.warnings);
}

impl Show for Defined {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Domain '{}' defined", self.domain.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::output::Format;

    #[test]
    fn a_definition_is_confirmed() {
        let warnings =
            vec!["line 7, column 5: /domain/devices/disk[1]/driver/@cahce: unknown attribute".into()];
        let defined = Defined { domain: samples::database(), warnings };
        let all = [Format::Table, Format::Json, Format::Xml].map(|format| format.draw(&defined).unwrap());
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
