//! qemu-img, and a directory to work in.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cap_std::fs::Dir;
use reeve_image::{Access, Directories, Format, Image, ImageError, ImageFile};

/// A directory with images, and the tool.
pub struct Tool {
    directory: tempfile::TempDir,
}

impl Tool {
    /// None where qemu-img is not installed, which is said.
    pub fn find(test: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test runs the peer as a user does")]
        if Command::new("qemu-img").arg("--version").output().is_err() {
            println!("SKIP C {test}: qemu-img is not installed");
            return None;
        }
        Some(Self { directory: tempfile::tempdir().expect("a directory") })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs qemu-img in the directory.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut tries = 0;
        loop {
            #[expect(clippy::disallowed_methods, reason = "a test runs the peer as a user does")]
            let output = Command::new("qemu-img")
                .args(arguments)
                .current_dir(self.directory.path())
                .output()
                .expect("qemu-img runs");
            // It measures how fast it derives keys, and gives up where others have the processor meanwhile.
            let measured =
                !String::from_utf8_lossy(&output.stderr).contains("Unable to get accurate CPU usage");
            tries += 1;
            if measured || tries == 50 {
                return output;
            }
        }
    }

    /// What a command prints that must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "qemu-img {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// The image is sound in every respect that qemu-img checks, leaks too.
    #[track_caller]
    pub fn check(&self, name: &str) {
        self.ok(&["check", "-f", "qcow2", name]);
    }

    /// Both have the same content.
    #[track_caller]
    pub fn compare(&self, one: (&str, Format), other: (&str, Format)) {
        self.ok(&["compare", "-f", one.1.name(), "-F", other.1.name(), one.0, other.0]);
    }

    /// A file that is new or there already.
    pub fn file(&self, name: &str) -> ImageFile {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        ImageFile::new(file.expect("a file"), path.display().to_string()).expect("an ordinary file")
    }

    /// Resolves backing files within the directory.
    pub fn resolver(&self) -> Directories {
        let directory = Dir::open_ambient_dir(self.directory.path(), cap_std::ambient_authority());
        Directories::new().allow(self.directory.path(), directory.expect("the directory"))
    }

    pub fn try_open(&self, name: &str, format: Format, access: Access) -> Result<Image, ImageError> {
        reeve_image::open(self.file(name), format, access, &self.resolver())
    }

    #[track_caller]
    pub fn open(&self, name: &str, format: Format) -> Image {
        self.try_open(name, format, Access::Read).expect("a good image")
    }

    #[track_caller]
    pub fn change(&self, name: &str, format: Format) -> Image {
        self.try_open(name, format, Access::Write).expect("a good image")
    }

    /// Writes a raw file with data at some places, holes elsewhere.
    pub fn raw(&self, name: &str, size: u64, data: &[(u64, usize, u8)]) {
        use std::os::unix::fs::FileExt;
        let file = File::create(self.path(name)).expect("a file");
        file.set_len(size).expect("room");
        for (offset, length, seed) in data {
            file.write_all_at(&pattern(*length, *seed), *offset).expect("room");
        }
    }
}

/// Bytes that differ from place to place, and compress.
pub fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index / 13) as u8 ^ (index / 4096) as u8 ^ seed | 1).collect()
}

/// All of a disk.
pub fn content(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    image.read(&mut bytes, 0).expect("readable");
    bytes
}

/// All of a file.
pub fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("readable")
}
