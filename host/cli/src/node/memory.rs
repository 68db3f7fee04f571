//! `reeve node memory` (guide 14.7.1, `nodememstats`).

use reeve_model::node::NodeMemory;

use crate::context::Context;
use crate::output::{Show, pairs};

pub(crate) async fn run(context: &mut Context) -> anyhow::Result<()> {
    let memory = context.client.node_memory().await?;
    context.show(&memory)
}

impl Show for NodeMemory {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let line = |name, size: reeve_model::Bytes| (name, format!("{:>12} KiB", size.as_kib()));
        pairs([
            line("total", self.total),
            line("free", self.free),
            line("available", self.available),
            line("buffers", self.buffers),
            line("cached", self.cached),
            line("swap total", self.swap_total),
            line("swap free", self.swap_free),
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::output::Format;
    use reeve_model::Bytes;
    use reeve_model::node::NodeMemory;

    #[test]
    fn sizes_are_aligned() {
        let memory = NodeMemory {
            total: Bytes::gib(16),
            free: Bytes::gib(2),
            available: Bytes::gib(9),
            cached: Bytes::gib(6),
            buffers: Bytes::mib(300),
            swap_total: Bytes(0),
            swap_free: Bytes(0),
        };
        insta::assert_snapshot!(Format::Table.draw(&memory).unwrap());
    }
}
