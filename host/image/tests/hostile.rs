//! Images that somebody made to hurt: each is refused with a sentence that names it, without a large allocation, and without an end
//! that does not come.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panic and says why it is skipped"
)]

use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use reeve_image::{
    Access, BackingReference, CreateOptions, Directories, Format, Image, ImageError, ImageFile, MAX_CHAIN,
    NoBacking, Qcow2Options, Repair, check, create, info, open, open_alone, probe,
};

/// A directory that is a pool, with a file beside it that is none of its business.
struct Pool {
    root: tempfile::TempDir,
}

impl Pool {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("pool")).unwrap();
        std::fs::write(root.path().join("secret"), vec![b's'; 4096]).unwrap();
        Self { root }
    }

    fn file(&self, name: &str) -> ImageFile {
        let path = self.root.path().join("pool").join(name);
        let file =
            std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        ImageFile::new(file.unwrap(), path.display().to_string()).unwrap()
    }

    fn make(&self, name: &str, backing: Option<BackingReference>) {
        let qcow2 = Qcow2Options { backing, ..Qcow2Options::default() };
        create(self.file(name), &CreateOptions { qcow2, ..CreateOptions::new(Format::Qcow2, 1 << 20) })
            .unwrap();
    }

    /// Writes a name into a header that `create` would refuse to write.
    fn forge(&self, name: &str, backing: &str) {
        let placeholder = "x".repeat(backing.len());
        self.make(name, Some(BackingReference::new(&placeholder, Format::Raw)));
        let file = self.file(name);
        let mut offset = [0; 8];
        file.file().read_exact_at(&mut offset, 8).unwrap();
        file.file().write_all_at(backing.as_bytes(), u64::from_be_bytes(offset)).unwrap();
    }

    fn open(&self, name: &str) -> Result<Image, ImageError> {
        let pool = self.root.path().join("pool");
        let directory = Dir::open_ambient_dir(&pool, cap_std::ambient_authority()).unwrap();
        let resolver = Directories::new().allow(&pool, directory);
        open(self.file(name), Format::Qcow2, Access::Read, &resolver)
    }

    #[track_caller]
    fn refused(&self, name: &str, because: &str) {
        let error = self.open(name).expect_err("it is hostile").to_string();
        assert!(error.contains(name) && error.contains(because), "{error}");
    }
}

#[test]
fn a_backing_file_is_in_the_pool_or_nowhere() {
    let pool = Pool::new();
    let secret = pool.root.path().join("secret").display().to_string();
    for name in [&secret, "../secret", "/etc/shadow", "sub/../../secret"] {
        pool.forge("top", name);
        pool.refused("top", "no directory that is allowed");
        std::fs::remove_file(pool.root.path().join("pool/top")).unwrap();
    }
    std::os::unix::fs::symlink("../secret", pool.root.path().join("pool/link")).unwrap();
    pool.forge("top", "link");
    pool.refused("top", "leads out");
}

#[test]
fn a_backing_file_is_a_path() {
    let pool = Pool::new();
    for (name, because) in [
        (r#"json:{"driver":"file","filename":"/etc/shadow"}"#, "'json:'"),
        ("nbd://127.0.0.1/x", "protocol"),
        ("fat:rw:/tmp", "protocol"),
        ("http://127.0.0.1/x", "protocol"),
    ] {
        pool.forge("top", name);
        pool.refused("top", because);
        std::fs::remove_file(pool.root.path().join("pool/top")).unwrap();
    }
    std::fs::create_dir(pool.root.path().join("pool/folder")).unwrap();
    pool.make("on-folder", Some(BackingReference::new("folder", Format::Raw)));
    pool.refused("on-folder", "neither a file nor a block device");
    rustix::fs::mkfifoat(rustix::fs::CWD, pool.root.path().join("pool/pipe"), rustix::fs::Mode::RUSR)
        .unwrap();
    pool.make("on-pipe", Some(BackingReference::new("pipe", Format::Raw)));
    pool.refused("on-pipe", "neither a file nor a block device");
}

#[test]
fn a_chain_has_an_end() {
    let pool = Pool::new();
    pool.make("self", Some(BackingReference::new("self", Format::Qcow2)));
    pool.refused("self", "comes back");
    pool.make("a", Some(BackingReference::new("b", Format::Qcow2)));
    pool.make("b", Some(BackingReference::new("c", Format::Qcow2)));
    pool.make("c", Some(BackingReference::new("a", Format::Qcow2)));
    pool.refused("a", "comes back");
    // The same file by another name.
    pool.make("d", Some(BackingReference::new("e", Format::Qcow2)));
    std::fs::hard_link(pool.root.path().join("pool/d"), pool.root.path().join("pool/e")).unwrap();
    pool.refused("d", "comes back");
    pool.make("0", None);
    for number in 1..=MAX_CHAIN {
        pool.make(&number.to_string(), Some(BackingReference::new((number - 1).to_string(), Format::Qcow2)));
    }
    assert!(pool.open(&(MAX_CHAIN - 1).to_string()).is_ok());
    pool.refused(&MAX_CHAIN.to_string(), "more than 200 images");
}

#[test]
fn a_format_is_told_and_not_guessed() {
    let pool = Pool::new();
    // A guest wrote a header to its raw disk that names a file of the host.
    pool.forge("disk", "/etc/shadow");
    let file = pool.file("disk");
    assert!(probe(&file).unwrap().warning(Format::Raw).unwrap().contains("looks like qcow2"));
    let image = open(file, Format::Raw, Access::Read, &NoBacking).unwrap();
    assert_eq!((image.format(), image.backing()), (Format::Raw, None));
    // An image that does not record the format of such a file.
    pool.make("top", Some(BackingReference::new("disk", Format::Raw)));
    let header = pool.file("top");
    let mut start = [0; 1024];
    header.file().read_exact_at(&mut start, 0).unwrap();
    let place = start.windows(4).position(|four| four == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
    header.file().write_all_at(&[0x11; 4], place as u64).unwrap();
    pool.refused("top", "does not record its format and it looks like qcow2");
    // A backing file of a format that is not handled.
    let vmdk = BackingReference { name: "disk".to_owned(), format: Some("vmdk".to_owned()) };
    pool.make("on-vmdk", Some(vmdk));
    pool.refused("on-vmdk", "supported are raw and qcow2");
}

/// An image with data in it, and a number of its header.
fn with_data(pool: &Pool) -> (ImageFile, impl Fn(u64) -> u64) {
    pool.make("image", None);
    let mut image = open_alone(pool.file("image"), Format::Qcow2, Access::Write).unwrap();
    image.write(&[7; 200_000], 0).unwrap();
    drop(image);
    let file = pool.file("image");
    let reader = file.file().try_clone().unwrap();
    (file, move |at| {
        let mut bytes = [0; 8];
        reader.read_exact_at(&mut bytes, at).unwrap();
        u64::from_be_bytes(bytes)
    })
}

#[test]
fn tables_that_point_anywhere_are_errors() {
    for target in [0x200, 0x12345, 0xffff_ffff_0000, 1 << 40] {
        for level in 0..2 {
            let pool = Pool::new();
            let (file, header) = with_data(&pool);
            let l1 = header(40);
            let place = if level == 0 { l1 } else { header(l1) & 0x00ff_ffff_ffff_fe00 };
            file.file().write_all_at(&(target | 1_u64 << 63).to_be_bytes(), place).unwrap();
            let mut image = open_alone(file, Format::Qcow2, Access::Write).unwrap();
            let mut buffer = [0; 512];
            let read = image.read(&mut buffer, 0).unwrap_err().to_string();
            assert!(read.contains("is damaged") && read.contains("/image"), "{read}");
            image.write(&buffer, 0).unwrap_err();
            let found = check(pool.file("image"), Format::Qcow2, Repair::Nothing).unwrap();
            assert!(found.corruptions > 0, "{found:?}");
        }
    }
}

#[test]
fn an_image_that_was_cut_off_says_so() {
    let pool = Pool::new();
    let (file, _) = with_data(&pool);
    let whole = file.len().unwrap();
    let mut refused = 0;
    for length in (0..whole).step_by(32_768) {
        file.file().set_len(length).unwrap();
        let outcome = open_alone(pool.file("image"), Format::Qcow2, Access::Read).and_then(|image| {
            let mut buffer = vec![0; 1 << 20];
            image.read(&mut buffer, 0)
        });
        if let Err(error) = outcome {
            assert!(error.to_string().contains("/image"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused} lengths were refused");
}

#[test]
fn a_compressed_cluster_of_nonsense_is_an_error() {
    let pool = Pool::new();
    let (file, header) = with_data(&pool);
    let l2 = header(header(40)) & 0x00ff_ffff_ffff_fe00;
    // The data of another cluster, as if it were compressed; and one that is not within the file.
    for (host, because) in
        [(header(l2) & 0x00ff_ffff_ffff_fe00, "can't be decompressed"), (1 << 50, "not within the file")]
    {
        file.file().write_all_at(&(1 << 62 | host).to_be_bytes(), l2).unwrap();
        let image = open_alone(pool.file("image"), Format::Qcow2, Access::Read).unwrap();
        let error = image.read(&mut [0; 512], 0).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }
}

#[test]
fn a_table_in_the_place_of_another_is_not_written_over() {
    let pool = Pool::new();
    let (file, header) = with_data(&pool);
    // Everything counts as free: the next cluster that is taken would be the L1 table.
    let block = header(header(48));
    file.file().write_all_at(&[0; 65536], block).unwrap();
    let mut image = open_alone(file, Format::Qcow2, Access::Write).unwrap();
    let mut outcome = Ok(());
    for place in 0..4 {
        outcome = outcome.and_then(|()| image.write(&[1; 65536], 300_000 + place * 65536));
    }
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("counted as free"), "{error}");
    assert_eq!(info(pool.file("image"), Format::Qcow2).unwrap().virtual_size, 1 << 20);
}

#[test]
fn a_full_disk_is_told_and_space_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = rustix::mount::mount(
        "tmpfs",
        directory.path(),
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        Some(c"size=4m"),
    );
    if let Err(error) = mounted {
        println!("SKIP C a_full_disk_is_told_and_space_is_given_back: tmpfs can't be mounted: {error}");
        return;
    }
    let path = directory.path().join("disk");
    let file = || {
        let options =
            std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        ImageFile::new(options.unwrap(), "disk").unwrap()
    };
    create(file(), &CreateOptions::new(Format::Qcow2, 64 << 20)).unwrap();
    let mut image = open_alone(file(), Format::Qcow2, Access::Write).unwrap();
    let error = image.write(&vec![7; 16 << 20], 0).unwrap_err();
    assert!(error.is_full() && error.to_string().contains("'disk'"), "{error}");
    drop(image);
    // Nothing refers to what was not written; what was taken for it comes back.
    let found = check(file(), Format::Qcow2, Repair::Nothing).unwrap();
    assert_eq!(found.corruptions, 0, "{found:?}");
    let full = file().allocated().unwrap();
    let mut image = open_alone(file(), Format::Qcow2, Access::Write).unwrap();
    image.zero(0, 64 << 20).unwrap();
    drop(image);
    assert!(check(file(), Format::Qcow2, Repair::Leaks).unwrap().is_clean());
    assert!(file().allocated().unwrap() < full / 2);

    let mut raw = open_alone(file(), Format::Raw, Access::Write).unwrap();
    let before = raw.size();
    let falloc =
        reeve_image::ResizeOptions { shrink: false, preallocation: reeve_image::Preallocation::Falloc };
    assert!(raw.resize(64 << 20, falloc).unwrap_err().is_full());
    assert_eq!((raw.size(), file().len().unwrap()), (before, before));
    drop(raw);
    rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }
}

/// Everything that can be done to an image; all of it may fail.
fn use_up(file: impl Fn() -> ImageFile) -> Result<(), ImageError> {
    let _ = info(file(), Format::Qcow2);
    let found = check(file(), Format::Qcow2, Repair::All);
    assert!(found.is_err() || found.is_ok_and(|found| found.corruptions > 0 || found.leaks == 0));
    let mut image = open_alone(file(), Format::Qcow2, Access::Write)?;
    let size = image.size().min(1 << 20);
    let _ = image.read(&mut vec![0; size as usize], 0);
    let mut at = 0;
    for _ in 0..500 {
        match image.extent(at, image.size()) {
            Ok(extent) if extent.length > 0 => at += extent.length,
            _ => break,
        }
    }
    let _ = image.write(&vec![3; (size / 3) as usize], size / 2);
    let _ = image.zero(size / 4, size / 4);
    let _ = image.create_snapshot("new", time::OffsetDateTime::UNIX_EPOCH);
    let _ = image.apply_snapshot("new");
    let _ = image.delete_snapshot("old");
    let grown = image.size().saturating_add(1 << 20).min(1 << 30);
    let _ = image.resize(grown, reeve_image::ResizeOptions { shrink: true, ..Default::default() });
    Ok(())
}

#[test]
fn whatever_bytes_change_nothing_panics() {
    let mut random = Random(7);
    for (number, cluster) in [512, 512, 4096, 65536].into_iter().enumerate() {
        let pool = Pool::new();
        let qcow2 = Qcow2Options {
            cluster_size: Some(cluster),
            refcount_bits: Some(1 << (number + 2)),
            ..Qcow2Options::default()
        };
        let options = CreateOptions { qcow2, ..CreateOptions::new(Format::Qcow2, 1 << 18) };
        create(pool.file("image"), &options).unwrap();
        let mut image = open_alone(pool.file("image"), Format::Qcow2, Access::Write).unwrap();
        image.write(&[7; 50_000], 0).unwrap();
        image.create_snapshot("old", time::OffsetDateTime::UNIX_EPOCH).unwrap();
        image.write(&[8; 9_000], 20_000).unwrap();
        drop(image);
        let path = pool.root.path().join("pool/image");
        let good = std::fs::read(&path).unwrap();
        // Where something is that is not data.
        let places: Vec<usize> = (0..good.len() / 8)
            .map(|word| word * 8)
            .filter(|at| *at < 112 || good[*at..at + 8].iter().any(|byte| !matches!(byte, 0 | 7 | 8)))
            .collect();
        for _ in 0..if cluster > 4096 { 100 } else { 300 } {
            let mut bytes = good.clone();
            for _ in 0..1 + random.next() % 3 {
                let at = places[random.next() as usize % places.len()];
                let old = u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
                let new = match random.next() % 6 {
                    0 => random.next() << 30 ^ random.next(),
                    1 => u64::MAX >> (random.next() % 64),
                    2 => old ^ 1 << (random.next() % 64),
                    3 => old.wrapping_add(1 << (random.next() % 64)),
                    4 => u64::from_be_bytes(
                        bytes[places[random.next() as usize % places.len()]..][..8].try_into().unwrap(),
                    ),
                    _ => random.next() % (2 * good.len() as u64),
                };
                bytes[at..at + 8].copy_from_slice(&new.to_be_bytes());
            }
            std::fs::write(&path, &bytes).unwrap();
            let _ = use_up(|| pool.file("image"));
        }
    }
}
