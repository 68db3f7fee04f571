//! What projects are made of, as it was when this program was built: the contract, and every language's SDK and template.

/// Makes the table; paths are relative to the top of the source tree.
macro_rules! files {
    ($($path:literal)*) => {
        /// Path and content of every file, by path.
        const FILES: &[(&str, &[u8])] = &[$(($path, include_bytes!(concat!("../../../", $path)))),*];
    };
}

// Written by the test `every_file_is_embedded`, which fails when a file is missing here.
include!("embedded_files.rs");

/// The files below a folder (its name ends with '/'), with their paths relative to it.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(folder)?, *bytes)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::lang::Lang;

    /// Built or fetched things, and what is not copied into projects.
    const LEFT_OUT: [&str; 10] = [
        "target",
        "node_modules",
        "__pycache__",
        "build",
        "examples",
        "test",
        "tests",
        "package-lock.json",
        "docs",
        "digests.toml",
    ];

    fn walk(root: &Path, folder: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}/{name}");
            if LEFT_OUT.contains(&name.as_str()) || (name.starts_with('.') && name != ".gitignore") {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut paths = Vec::new();
        walk(root, "wit", &mut paths);
        for lang in
            Lang::ALL.map(|lang| format!("guest-sdk/{lang}")).iter().filter(|lang| root.join(lang).is_dir())
        {
            walk(root, lang, &mut paths);
        }
        paths.sort();
        let lines: String = paths.iter().map(|path| format!("    \"{path}\"\n")).collect();
        let expected = format!("files! {{\n{lines}}}\n");
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embedded_files.rs");
        let found = std::fs::read_to_string(&table).unwrap_or_default();
        if found != expected {
            std::fs::write(&table, expected).unwrap();
            panic!("{} was not up to date and has been written anew: build again", table.display());
        }
    }
}
