//! `reeve pool define-as` and `create-as` (guide 14.11.2): a document from arguments.

use clap::Args;
use reeve_model::storage::{
    Adapter, PoolConfig, PoolKind, PoolSource, PoolTarget, SourceDevice, SourceHost, TakePool,
};
use uuid::Uuid;

use super::define;
use crate::context::Context;

/// Options of `reeve pool define-as`.
#[derive(Debug, Args)]
#[command(after_help = "\
A '-' stands for a part that is left out; every part can be given by its option instead.

Examples:
  reeve pool define-as guest_images dir - - - - /guest_images
  reeve pool define-as guest_images_fs fs - - /dev/sdc1 - /guest_images --source-format ext4
  reeve pool define-as guest_images_disk disk --source-dev /dev/sdb --source-format gpt --target /dev")]
pub struct DefineAs {
    #[command(flatten)]
    parts: Parts,
}

/// Options of `reeve pool create-as`.
#[derive(Debug, Args)]
pub struct CreateAs {
    #[command(flatten)]
    parts: Parts,
}

/// What a pool is made of, as virsh takes it.
#[derive(Debug, Args)]
struct Parts {
    /// Name of the pool
    name: String,
    /// Its type: dir, fs, netfs, disk…
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Host, path, device and name of the source, and the target path, in this order
    #[arg(value_names = ["SOURCE_HOST", "SOURCE_PATH", "SOURCE_DEV", "SOURCE_NAME", "TARGET"], num_args = 0..=5)]
    rest: Vec<String>,
    /// Host of the source
    #[arg(long)]
    source_host: Option<String>,
    /// Path of the source on its host
    #[arg(long)]
    source_path: Option<String>,
    /// Device of the source
    #[arg(long)]
    source_dev: Option<String>,
    /// Name of the source
    #[arg(long)]
    source_name: Option<String>,
    /// Name of the SCSI adapter of the source, such as host5
    #[arg(long)]
    adapter_name: Option<String>,
    /// Directory of the volumes on this host
    #[arg(long)]
    target: Option<String>,
    /// Format of the source: a file system or partition table
    #[arg(long)]
    source_format: Option<String>,
    /// Print the XML document, and do nothing
    #[arg(long)]
    print_xml: bool,
}

impl Parts {
    fn document(&self) -> anyhow::Result<String> {
        let kind = PoolKind::from_word(&self.kind).ok_or_else(|| {
            let words: Vec<&str> = PoolKind::ALL.iter().map(|(_, word)| *word).collect();
            anyhow::anyhow!("'{}' is no type of pool; there are {}", self.kind, words.join(", "))
        })?;
        let part = |option: &Option<String>, place: usize| {
            let given = option.clone().or_else(|| self.rest.get(place).cloned());
            given.filter(|part| part != "-" && !part.is_empty())
        };
        let device = |path| SourceDevice { path, part_separator: None, free: Vec::new() };
        let config = PoolConfig {
            kind,
            name: self.name.clone(),
            uuid: Uuid::new_v4(),
            capacity: None,
            allocation: None,
            available: None,
            cow: None,
            source: PoolSource {
                hosts: part(&self.source_host, 0)
                    .map(|name| SourceHost { name, port: None })
                    .into_iter()
                    .collect(),
                dir: part(&self.source_path, 1),
                devices: part(&self.source_dev, 2).map(device).into_iter().collect(),
                name: part(&self.source_name, 3),
                format: self.source_format.clone(),
                adapter: self
                    .adapter_name
                    .clone()
                    .map(|name| Adapter { name: Some(name), ..Adapter::default() }),
                ..PoolSource::default()
            },
            target: PoolTarget { path: part(&self.target, 4), ..PoolTarget::default() },
            extra: Default::default(),
        };
        config.check()?;
        Ok(reeve_xml::pool::format(&config))
    }

    async fn run(
        self,
        context: &mut Context,
        transient: bool,
        participle: &'static str,
    ) -> anyhow::Result<()> {
        let document = self.document()?;
        if self.print_xml {
            return context.print(document.trim_end());
        }
        let defined = context.client.define_pool(&document, TakePool { strict: false, transient }).await?;
        define::done(context, defined, participle)
    }
}

impl DefineAs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        self.parts.run(context, false, "defined").await
    }
}

impl CreateAs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        self.parts.run(context, true, "created").await
    }
}
