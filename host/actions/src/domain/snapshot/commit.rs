//! Commits of images that somebody asks for by name (guide 14.5.15), and what snapshots and others need of these images.

use std::path::{Path, PathBuf};

use reeve_model::block_job::BlockJobWork;
use reeve_model::domain::Disk;
use reeve_model::{Error, ErrorCode};

use super::chains::{Chains, Holder, chain, image, real};
use crate::domain::Subject;
use crate::{Actions, blocking};

/// Which images of a disk become one, as they were named.
struct Named {
    target: String,
    top: Option<String>,
    base: Option<String>,
    shallow: bool,
}

impl Actions {
    /// Refuses a commit of images that a snapshot of the domain goes back to, or that others are put on. What can't be done for other reasons the
    /// machine refuses.
    pub(in crate::domain) async fn refuse_commit(
        &self,
        subject: &Subject,
        disk: &Disk,
        work: &BlockJobWork,
    ) -> Result<(), Error> {
        let BlockJobWork::Commit { top, base, shallow, .. } = work else { return Ok(()) };
        let Some((path, format)) = image(disk) else { return Ok(()) };
        let named =
            Named { target: disk.target.clone(), top: top.clone(), base: base.clone(), shallow: *shallow };
        let others = self.images_of_others(subject.uuid).await?;
        let kept = self.kept(subject.uuid).await?;
        let kept = self.find_images(&subject.name, &kept).await?;
        let held = blocking(move || {
            // One that can't be read the machine can't commit.
            let Ok(images) = chain(&real(&path), format) else { return Ok(None) };
            let images: Vec<PathBuf> = images.into_iter().map(|(image, _)| image).collect();
            let (top, base) = named.range(&images);
            Ok(Chains::find(&[], &others, &kept)?.held_between(&images, top, base))
        })
        .await?;
        let Some((image, holder)) = held else { return Ok(()) };
        let (owner, hint) = match holder {
            Holder::Snapshot(snapshot) => (
                format!("snapshot '{snapshot}'"),
                format!(
                    "'reeve domain snapshot-delete {} {snapshot}' merges its images too; with --metadata it only forgets the snapshot",
                    subject.name
                ),
            ),
            Holder::Other(owner) => {
                (owner, "give that one an image of its own first, e.g. with 'reeve image convert'".to_owned())
            }
        };
        let message = format!(
            "disk '{}' of domain '{}' can't be committed: {owner} has the image '{}', which would not be what it was",
            disk.target,
            subject.name,
            image.display()
        );
        Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
    }
}

impl Named {
    /// The depths from which and to which: all of them where a name means none.
    fn range(&self, images: &[PathBuf]) -> (usize, usize) {
        let top = self.top.as_deref().and_then(|top| self.depth(images, top)).unwrap_or(0);
        let last = images.len().saturating_sub(1);
        let base = match &self.base {
            Some(base) => self.depth(images, base).unwrap_or(last),
            None if self.shallow => top + 1,
            None => last,
        };
        (top, base)
    }

    /// The depth of the image that a path or `TARGET[DEPTH]` means.
    fn depth(&self, images: &[PathBuf], name: &str) -> Option<usize> {
        let number = name.strip_prefix(&self.target).and_then(|rest| rest.strip_prefix('['));
        match number.and_then(|rest| rest.strip_suffix(']')) {
            Some(number) => number.parse().ok().filter(|depth| *depth < images.len()),
            None => {
                let path = real(Path::new(name));
                images.iter().position(|image| *image == path)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_by_depth_or_path_and_all_are_meant_where_none_is() {
        let images = ["/none/top", "/none/middle", "/none/base"].map(PathBuf::from);
        let range = |top: Option<&str>, base: Option<&str>, shallow| {
            let owned = |name: Option<&str>| name.map(str::to_owned);
            let named = Named { target: "vda".to_owned(), top: owned(top), base: owned(base), shallow };
            named.range(&images)
        };
        assert_eq!(range(None, None, false), (0, 2));
        assert_eq!(range(None, None, true), (0, 1));
        assert_eq!(range(Some("vda[1]"), None, false), (1, 2));
        assert_eq!(range(Some("/none/middle"), Some("vda[2]"), false), (1, 2));
        assert_eq!(range(None, Some("/none/middle"), false), (0, 1));
        assert_eq!(range(Some("vda[9]"), Some("/none/other"), false), (0, 2));
    }
}
