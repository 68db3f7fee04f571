//! A guard's rewrite: the contract's edits become the model's, are applied, and every path they changed must be granted.

use reeve_actions::{diff, edit};
use reeve_model::domain::DomainConfig;
use reeve_model::edit::Edit;
use reeve_model::policy::PathChange;
use reeve_model::{Bytes, Verb};

use crate::bindings::reeve::types::policy;
use crate::failure::{Failure, shorten};
use crate::grants::Grants;

const EDITS_LIMIT: usize = 256;
const TEXT_LIMIT: usize = 4 * 1024 * 1024;
const MESSAGE_LIMIT: usize = 1024;

/// The document after `edits`, and what they changed.
pub(crate) fn apply(
    config: &DomainConfig,
    edits: Vec<policy::Edit>,
    grants: &Grants,
) -> Result<(DomainConfig, Vec<PathChange>), Failure> {
    if edits.len() > EDITS_LIMIT {
        return refused(format!("it wants {} edits at once, {EDITS_LIMIT} are the most", edits.len()));
    }
    let edits: Vec<Edit> = edits.into_iter().map(model_edit).collect();
    if edits.iter().map(text_length).sum::<usize>() > TEXT_LIMIT {
        return refused(format!("its edits are longer than {TEXT_LIMIT} bytes"));
    }
    let rewritten = edit::apply(config, &edits).or_else(|error| {
        refused(format!("its rewrite cannot be applied: {}", shorten(&error.to_string(), MESSAGE_LIMIT)))
    })?;
    let changes = diff::diff(config, &rewritten);
    match changes.iter().find(|change| !grants.permits(Verb::DomainRewrite, &change.path)) {
        Some(change) => refused(format!(
            "it rewrites '{}', which its grants of 'domain:rewrite' do not cover",
            change.path
        )),
        None => Ok((rewritten, changes)),
    }
}

fn refused<T>(reason: String) -> Result<T, Failure> {
    Err(Failure::Refused(reason))
}

fn model_edit(edit: policy::Edit) -> Edit {
    match edit {
        policy::Edit::SetMemory(bytes) => Edit::SetMemory { bytes: Bytes(bytes) },
        policy::Edit::SetCurrentMemory(bytes) => Edit::SetCurrentMemory { bytes: Bytes(bytes) },
        policy::Edit::SetVcpus(count) => Edit::SetVcpus { count },
        policy::Edit::SetCpuShares(shares) => Edit::SetCpuShares { shares },
        policy::Edit::SetDiskCache(disk) => Edit::SetDiskCache { target: disk.target, cache: disk.cache },
        policy::Edit::SetInterfaceSource(source) => {
            Edit::SetInterfaceSource { mac: source.mac, attribute: source.attribute, value: source.value }
        }
        policy::Edit::SetTitle(title) => Edit::SetTitle { title },
        policy::Edit::SetCmdline(cmdline) => Edit::SetCmdline { cmdline },
        policy::Edit::SetMetadata(xml) => Edit::SetMetadata { xml },
        policy::Edit::AddDevice(xml) => Edit::AddDevice { xml },
        policy::Edit::RemoveDevice(alias) => Edit::RemoveDevice { alias },
        policy::Edit::Replace(xml) => Edit::Replace { xml },
    }
}

fn text_length(edit: &Edit) -> usize {
    match edit {
        Edit::SetDiskCache { target, cache } => target.len() + cache.len(),
        Edit::SetInterfaceSource { mac, attribute, value } => mac.len() + attribute.len() + value.len(),
        Edit::SetTitle { title: text }
        | Edit::SetCmdline { cmdline: text }
        | Edit::SetMetadata { xml: text }
        | Edit::AddDevice { xml: text }
        | Edit::RemoveDevice { alias: text }
        | Edit::Replace { xml: text } => text.len(),
        Edit::SetMemory { .. }
        | Edit::SetCurrentMemory { .. }
        | Edit::SetVcpus { .. }
        | Edit::SetCpuShares { .. } => 0,
    }
}
