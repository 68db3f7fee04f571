//! Rules of `<resource>` (guide 20.10).

use super::{Checked, broken};
use crate::domain::ResourceConfig;

pub(super) fn check(resource: &ResourceConfig) -> Checked {
    let Some(partition) = &resource.partition else { return Ok(()) };
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
    if partition.strip_prefix('/').is_some_and(|path| path.split('/').all(is_name)) {
        return Ok(());
    }
    let message = format!(
        "'{}' is no partition; name a control group from the root of its hierarchy, e.g. /virtualmachines/production",
        partition.escape_debug()
    );
    broken("/domain/resource/partition", message)
}
