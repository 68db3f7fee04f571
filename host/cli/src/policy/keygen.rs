//! `reeve policy keygen`.

use std::path::PathBuf;

use clap::Args;
use reeve_oci::{PrivateKey, key};
use serde::Serialize;

use super::registry::plain;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy keygen`.
#[derive(Debug, Args)]
#[command(after_help = "\
The private key is PKCS#8 in PEM without a password, in a file that only you can read; one that others can read is not used.
Neither file is ever written over.

Examples:
  reeve policy keygen release               writes release and release.pub")]
pub struct Keygen {
    /// File for the private key; the public one goes to FILE.pub
    file: PathBuf,
}

/// A new pair.
#[derive(Serialize)]
struct Made {
    private: PathBuf,
    public: PathBuf,
    key: String,
}

impl Show for Made {
    const ELEMENT: &'static str = "key";

    fn human(&self) -> String {
        format!(
            "Private key in {}, public key in {}\nKey {}",
            self.private.display(),
            self.public.display(),
            self.key
        )
    }
}

impl Keygen {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let made = PrivateKey::generate(&self.file).map_err(plain)?;
        context.show(&Made {
            public: key::public_path(&self.file),
            private: self.file,
            key: made.id().to_string(),
        })
    }
}
