//! `reeve domain info` (guide 14.5.17, `dominfo`).

use clap::Args;
use reeve_model::stats::DomainInfo;

use super::Target;
use crate::context::Context;
use crate::output::{Show, or_dash, pairs, yes_no};

/// Options of `reeve domain info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    target: Target,
}

impl Info {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.domain_info(&self.target.domain).await?;
        context.show(&info)
    }
}

impl Show for DomainInfo {
    const ELEMENT: &'static str = "domain";

    fn human(&self) -> String {
        let row = &self.summary;
        let mut lines = vec![
            ("Id", or_dash(row.id)),
            ("Name", row.name.clone()),
            ("UUID", row.uuid.to_string()),
            ("State", format!("{} ({})", row.state, row.reason)),
            ("CPU(s)", self.vcpus.to_string()),
            ("CPU time", seconds(self.cpu_time_ns)),
            ("Max memory", format!("{} KiB", self.max_memory.as_kib())),
            ("Used memory", format!("{} KiB", self.memory.as_kib())),
            ("Persistent", yes_no(row.persistent).to_owned()),
            ("Autostart", if row.autostart { "enable" } else { "disable" }.to_owned()),
            ("Driver", row.driver.clone()),
            ("Worker PID", or_dash(self.worker_pid)),
        ];
        if let Some(title) = &self.title {
            lines.insert(2, ("Title", title.clone()));
        }
        pairs(lines)
    }
}

/// Nanoseconds as seconds with a tenth.
pub(crate) fn seconds(nanoseconds: u64) -> String {
    let tenths = nanoseconds / 100_000_000;
    format!("{}.{}s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::output::Format;
    use reeve_model::Bytes;

    #[test]
    fn info_is_complete() {
        let info = DomainInfo {
            summary: samples::web(),
            title: Some("The web server".into()),
            max_memory: Bytes::mib(1024),
            memory: Bytes::mib(768),
            vcpus: 2,
            cpu_time_ns: 12_340_000_000,
            worker_pid: Some(4711),
        };
        let all = [Format::Table, Format::Json, Format::Xml].map(|format| format.draw(&info).unwrap());
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
