//! A volume gets the content of an image that is in nobody's way.

use uuid::Uuid;

use super::Storage;
use crate::image_file::{ImageSource, mark_copy};
use crate::{Progress, StorageError, content};

impl Storage {
    /// Makes a volume of zeroes read as an image does. It must be as large.
    pub fn fill(
        &self,
        pool: Uuid,
        name: &str,
        image: &ImageSource,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, true)?;
        let source = image.open()?;
        let length = content::size(&source).map_err(StorageError::file(&image.path, "measured"))?;
        let file = active.volumes.open(name, true)?;
        if content::size(&file).map_err(StorageError::file(&subject, "measured"))? < length {
            let reason = format!("it is smaller than the {length} bytes of '{}'", image.path.display());
            return Err(StorageError::invalid(subject, reason));
        }
        content::copy(&source, &file, length, false, progress, &subject)?;
        if image.encrypted {
            mark_copy(image, &source, &file);
        }
        file.sync_all().map_err(StorageError::written(&subject, length))?;
        drop(file);
        let volume = active.volumes.look(name)?;
        active.note(name, Some(&volume));
        Ok(())
    }
}
