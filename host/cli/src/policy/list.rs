//! `reeve policy list`.

use reeve_model::policy::{Hook, PolicyInfo};
use serde::Serialize;

use super::word;
use crate::context::Context;
use crate::output::{Show, table};

pub(crate) async fn run(context: &mut Context) -> anyhow::Result<()> {
    let policies = context.client.list_policies().await?;
    context.show(&Rows(policies))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<PolicyInfo>);

impl Show for Rows {
    const ELEMENT: &'static str = "policies";

    fn human(&self) -> String {
        let cells = |policy: &PolicyInfo| {
            let state = match policy {
                PolicyInfo { enabled: false, .. } => "disabled".to_owned(),
                PolicyInfo { parked: true, .. } => "parked".to_owned(),
                _ => word(&policy.mode),
            };
            let hooks: Vec<&str> = policy.hooks.iter().copied().map(Hook::as_str).collect();
            let counters = &policy.counters;
            [
                policy.order.to_string(),
                policy.name.clone(),
                policy.version.clone(),
                state,
                hooks.join(" "),
                counters.calls.to_string(),
                counters.denials.to_string(),
                counters.failures.to_string(),
            ]
        };
        let header = ["Order", "Name", "Version", "State", "Hooks", "Calls", "Denials", "Failures"];
        table(header, self.0.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::policy::samples;

    #[test]
    fn a_line_a_policy() {
        let mut parked = samples::admission();
        parked.name = "naming".into();
        parked.parked = true;
        let mut disabled = samples::admission();
        disabled.name = "quota".into();
        disabled.enabled = false;
        let rows = Rows(vec![samples::admission(), parked, disabled]);
        insta::assert_snapshot!(Format::Table.draw(&rows).unwrap());
    }
}
