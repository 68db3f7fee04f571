//! `<filesystem>` in `<devices>`: directories of the host in the guest.

use reeve_model::domain::{Filesystem, FilesystemBinary};

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(filesystem: &mut Reader<'_, '_>) -> Result<Filesystem, Fault> {
    let driver = filesystem.one("driver", |driver| Ok((driver.word("type"), driver.number("queue")?)))?;
    let (driver, queue) = driver.unwrap_or_default();
    Ok(Filesystem {
        kind: filesystem.word("type"),
        access_mode: filesystem.word("accessmode"),
        driver,
        queue,
        binary: filesystem.one("binary", read_binary)?.unwrap_or_default(),
        source: filesystem.one("source", |source| Ok(source.word("dir")))?.flatten(),
        target: filesystem.one("target", |target| Ok(target.word("dir")))?.flatten(),
        readonly: filesystem.flag("readonly")?,
        common: read_common(filesystem)?,
    })
}

fn read_binary(binary: &mut Reader<'_, '_>) -> Result<FilesystemBinary, Fault> {
    Ok(FilesystemBinary {
        path: binary.word("path"),
        xattr: binary.either("xattr", "on", "off")?,
        cache: binary.one("cache", |cache| Ok(cache.word("mode")))?.flatten(),
        sandbox: binary.one("sandbox", |sandbox| Ok(sandbox.word("mode")))?.flatten(),
        thread_pool: binary.one("thread_pool", |pool| pool.number("size"))?.flatten(),
    })
}

pub(crate) fn write(filesystem: &Filesystem) -> Element<'_> {
    let driver = Element::new("driver")
        .with_some("type", filesystem.driver.as_ref())
        .with_some("queue", filesystem.queue.as_ref());
    let element = Element::new("filesystem")
        .with_some("type", filesystem.kind.as_ref())
        .with_some("accessmode", filesystem.access_mode.as_ref())
        .one_unless_empty(driver)
        .one_unless_empty(write_binary(&filesystem.binary))
        .one_unless_empty(Element::new("source").with_some("dir", filesystem.source.as_ref()))
        .one_unless_empty(Element::new("target").with_some("dir", filesystem.target.as_ref()))
        .one_flag("readonly", filesystem.readonly);
    write_common(element, &filesystem.common)
}

fn write_binary(binary: &FilesystemBinary) -> Element<'_> {
    let mut element = Element::new("binary").with_some("path", binary.path.as_ref());
    if let Some(xattr) = binary.xattr {
        element.set("xattr", if xattr { "on" } else { "off" });
    }
    let mode = |name: &'static str, mode| Element::new(name).with_some("mode", mode);
    element
        .one_unless_empty(mode("cache", binary.cache.as_ref()))
        .one_unless_empty(mode("sandbox", binary.sandbox.as_ref()))
        .one_unless_empty(Element::new("thread_pool").with_some("size", binary.thread_pool.as_ref()))
}
