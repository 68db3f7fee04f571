//! `reeve domain info` (guide 14.10.4, `dominfo`).
//!
//! Workers have no labels of a security model: they are locked in by other means (seccomp, Landlock, users of their own), which is what
//! libvirt calls the model `none`.

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
            ("OS Type", self.os_type.clone()),
            ("State", row.state.to_string()),
            ("CPU(s)", self.vcpus.to_string()),
            ("CPU time", seconds(self.cpu_time_ns)),
            ("Max memory", format!("{} KiB", self.max_memory.as_kib())),
            ("Used memory", format!("{} KiB", self.memory.as_kib())),
            ("Persistent", yes_no(row.persistent).to_owned()),
            ("Autostart", if row.autostart { "enable" } else { "disable" }.to_owned()),
            ("Managed save", yes_no(row.managed_save).to_owned()),
            ("Security model", "none".to_owned()),
            ("Security DOI", "0".to_owned()),
            ("Reason", row.reason.to_string()),
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

    /// What the guide prints of its guest, but for units and the label of a security model that is not here.
    #[test]
    fn lines_come_in_the_order_of_the_guide() {
        let info = DomainInfo {
            summary: samples::web(),
            title: None,
            os_type: "hvm".into(),
            max_memory: Bytes::kib(2_097_152),
            memory: Bytes::kib(1_025_000),
            vcpus: 1,
            cpu_time_ns: 21_600_000_000,
            worker_pid: None,
        };
        let words: Vec<String> = info.human().split_whitespace().map(str::to_owned).collect();
        let printed = "Id: 3 Name: web UUID: 4dea22b3-1d52-d8f3-2516-782e98ab3fa0 OS Type: hvm State: running CPU(s): 1 \
                       CPU time: 21.6s Max memory: 2097152 KiB Used memory: 1025000 KiB Persistent: yes Autostart: enable \
                       Managed save: no Security model: none Security DOI: 0";
        assert!(words.join(" ").starts_with(printed), "{}", words.join(" "));
    }

    #[test]
    fn info_is_complete() {
        let info = DomainInfo {
            summary: samples::web(),
            title: Some("The web server".into()),
            os_type: "hvm".into(),
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
