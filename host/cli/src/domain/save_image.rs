//! `reeve domain save-image-dumpxml`, `save-image-define`, `save-image-edit` (guide 14.8.8 to 14.8.10).

use std::path::PathBuf;

use clap::Args;
use reeve_model::domain_save::SaveFile;

use super::save::{Restored, absolute};
use crate::context::{Context, read_document};
use crate::editor;

/// The document that the domain is restored with.
#[derive(Debug, Args)]
pub struct SaveImageDumpxml {
    /// The file, on the host
    file: PathBuf,
    /// With what is sensitive in it; a save image has nothing that is left out otherwise
    #[arg(long)]
    security_info: bool,
}

impl SaveImageDumpxml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = context.client.save_image_xml(&absolute(&self.file)?).await?;
        context.print(xml.trim_end())
    }
}

/// The new document may differ in what the guest does not see, such as where the files of its disks are.
#[derive(Debug, Args)]
pub struct SaveImageDefine {
    /// The file, on the host
    file: PathBuf,
    /// The document, - for standard input
    xml: PathBuf,
    #[command(flatten)]
    restored: Restored,
}

impl SaveImageDefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = read_document(&self.xml)?;
        let file = SaveFile { state: self.restored.state(), ..SaveFile::at(absolute(&self.file)?) };
        context.client.define_save_image(&file, &xml).await?;
        context.say(&format!("Save image '{}' has the new document", self.file.display()))
    }
}

/// The document may be changed in what the guest does not see, such as where the files of its disks are.
#[derive(Debug, Args)]
pub struct SaveImageEdit {
    /// The file, on the host
    file: PathBuf,
    #[command(flatten)]
    restored: Restored,
}

impl SaveImageEdit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let file = SaveFile { state: self.restored.state(), ..SaveFile::at(absolute(&self.file)?) };
        let before = context.client.save_image_xml(&file.path).await?;
        let keep = async |context: &mut Context, after: &str, _: String| {
            Ok(context.client.define_save_image(&file, after).await?)
        };
        let name = self.file.display();
        match editor::edit(context, &before, keep).await? {
            true => context.say(&format!("Save image '{name}' edited")),
            false if file.state.is_some() => {
                context.client.define_save_image(&file, &before).await?;
                context.say(&format!("The document in save image '{name}' is unchanged, its state is new"))
            }
            false => context.say(&format!("Save image '{name}' is unchanged")),
        }
    }
}
