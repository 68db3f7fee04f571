//! `reeve node cpumap` (guide 14.7.4, `nodecpumap`).

use reeve_model::node::NodeCpus;

use crate::context::Context;
use crate::output::{Show, pairs};

pub(crate) async fn run(context: &mut Context) -> anyhow::Result<()> {
    let cpus = context.client.node_cpus().await?;
    context.show(&cpus)
}

impl Show for NodeCpus {
    const ELEMENT: &'static str = "cpus";

    fn human(&self) -> String {
        let last = self.present.iter().last().unwrap_or_default();
        let letter = |cpu| if self.online.contains(cpu) { 'y' } else { '-' };
        pairs([
            ("CPUs present", self.present.count().to_string()),
            ("CPUs online", self.online.count().to_string()),
            ("CPU map", (0..=last).map(letter).collect()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_a_cpu() {
        let cpus = NodeCpus { present: "0-3".parse().unwrap(), online: "0,2".parse().unwrap() };
        let words: Vec<String> = cpus.human().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "CPUs present: 4 CPUs online: 2 CPU map: y-y-");
    }
}
