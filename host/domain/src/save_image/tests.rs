use std::io::{Read, Write};

use super::*;

const XML: &str = "<domain type='sim'><name>web</name></domain>";

fn new(running: bool) -> NewImage<'static> {
    let token = Uuid::from_u128(7);
    NewImage { uuid: Uuid::from_u128(1), driver: "sim", running, token, document: XML }
}

fn saved(path: &Path) {
    let unfinished = Unfinished::begin(path, &new(true)).unwrap();
    unfinished.data(false).unwrap().write_all(b"memory").unwrap();
    assert!(!path.exists(), "it has its name when it is whole");
    unfinished.finish().unwrap();
}

fn only(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn what_was_saved_is_read_and_its_document_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.save");
    saved(&path);
    assert_eq!(only(directory.path()), 1);
    let mut image = SaveImage::open(&path, Purpose::Change).unwrap();
    assert!(matches!(SaveImage::open(&path, Purpose::Read), Err(SaveImageError::InUse(_))));
    assert_eq!((image.document().unwrap().as_str(), image.running(), image.driver()), (XML, true, "sim"));
    for round in 0..3 {
        image.change(&format!("{XML}<!-- {round} -->"), false).unwrap();
    }
    let long = "x".repeat(65 << 10);
    assert!(matches!(image.change(&long, true), Err(SaveImageError::Room { .. })));
    drop(image);
    let image = SaveImage::open(&path, Purpose::Read).unwrap();
    assert!(image.document().unwrap().ends_with("<!-- 2 -->") && !image.running());
    let mut data = String::new();
    image.data(false).unwrap().read_to_string(&mut data).unwrap();
    assert_eq!(data, "memory");
}

#[test]
fn what_is_not_whole_is_refused_and_can_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.save");
    std::fs::write(&path, "of before").unwrap();
    let unfinished = Unfinished::begin(&path, &new(true)).unwrap();
    let hidden = std::fs::read_dir(directory.path()).unwrap().find_map(|entry| {
        let entry = entry.unwrap();
        entry.file_name().to_string_lossy().starts_with('.').then(|| entry.path())
    });
    let partial = SaveImage::open(&hidden.unwrap(), Purpose::Read).unwrap_err();
    assert!(matches!(partial, SaveImageError::Partial(_)), "{partial}");
    drop(unfinished);
    remove_unfinished(&path, Uuid::from_u128(7)).unwrap();
    remove_unfinished(&path, Uuid::from_u128(7)).unwrap();
    assert_eq!(
        (only(directory.path()), std::fs::read(&path).unwrap().as_slice()),
        (1, b"of before".as_slice())
    );
    assert!(matches!(SaveImage::open(&path, Purpose::Read), Err(SaveImageError::Foreign(_))));
}

#[test]
fn a_file_that_is_cut_or_damaged_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.save");
    saved(&path);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len().min(512) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        // What follows the header in its sector means nothing.
        let meaningful = at < 16 + usize::from(whole[12]) + 256 * usize::from(whole[13]);
        assert_eq!(SaveImage::open(&path, Purpose::Read).is_err(), meaningful, "byte {at}");
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(SaveImage::open(&path, Purpose::Read), Err(SaveImageError::Damaged { .. })));
    let mut damaged = whole;
    damaged[4096] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let image = SaveImage::open(&path, Purpose::Read).unwrap();
    assert!(matches!(image.document(), Err(SaveImageError::Damaged { .. })));
}
