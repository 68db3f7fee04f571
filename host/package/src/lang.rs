//! The languages a policy may be written in.

/// A language with a template, an SDK and a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Rust.
    Rust,
    /// JavaScript or TypeScript's output, on QuickJS.
    Js,
    /// Python, on CPython.
    Python,
    /// C.
    C,
    /// Go.
    Go,
    /// Zig.
    Zig,
    /// AssemblyScript.
    AssemblyScript,
}

impl Lang {
    /// Every language.
    pub const ALL: [Self; 7] =
        [Self::Rust, Self::Js, Self::Python, Self::C, Self::Go, Self::Zig, Self::AssemblyScript];

    /// The word for it on the command line, in `policy.toml` and of its folder in guest-sdk/.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
            Self::Zig => "zig",
            Self::AssemblyScript => "as",
        }
    }

    /// The language written so, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.as_str() == word)
    }
}

impl std::fmt::Display for Lang {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
