//! `reeve policy enable` and `disable`.

use reeve_model::policy::PolicySettings;

use super::Done;
use crate::context::Context;

/// Has a policy asked again, or not any more.
pub(crate) async fn run(context: &mut Context, policy: &str, enabled: bool) -> anyhow::Result<()> {
    let settings = PolicySettings { enabled: Some(enabled), ..PolicySettings::default() };
    let info = context.client.set_policy(policy, &settings).await?;
    let participle = if enabled { "enabled" } else { "disabled: it is kept and not asked" };
    context.show(&Done { info, participle })
}
