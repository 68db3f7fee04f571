//! `reeve node info` (guide 14.7.1, `nodeinfo`).

use reeve_model::node::NodeInfo;

use crate::context::Context;
use crate::output::{Show, pairs, yes_no};

pub(crate) async fn run(context: &mut Context) -> anyhow::Result<()> {
    let info = context.client.node_info().await?;
    context.show(&info)
}

impl Show for NodeInfo {
    const ELEMENT: &'static str = "node";

    fn human(&self) -> String {
        pairs([
            ("Host name", self.hostname.clone()),
            ("CPU architecture", self.arch.clone()),
            ("CPU model", self.cpu_model.clone()),
            ("CPU(s)", self.cpus.to_string()),
            ("CPU frequency", format!("{} MHz", self.mhz)),
            ("CPU socket(s)", self.sockets.to_string()),
            ("Core(s) per socket", self.cores_per_socket.to_string()),
            ("Thread(s) per core", self.threads_per_core.to_string()),
            ("NUMA cell(s)", self.numa_cells.to_string()),
            ("Memory size", format!("{} KiB", self.memory.as_kib())),
            ("KVM", yes_no(self.kvm).to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::output::Format;
    use reeve_model::Bytes;
    use reeve_model::node::NodeInfo;

    #[test]
    fn the_host_in_pairs() {
        let info = NodeInfo {
            hostname: "host-1".into(),
            arch: "x86_64".into(),
            cpu_model: "Imaginary CPU @ 2.40GHz".into(),
            cpus: 8,
            mhz: 2400,
            sockets: 1,
            cores_per_socket: 4,
            threads_per_core: 2,
            numa_cells: 1,
            memory: Bytes::gib(16),
            kvm: true,
        };
        insta::assert_snapshot!(Format::Table.draw(&info).unwrap());
    }
}
