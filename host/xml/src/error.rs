//! What a reader of documents says: errors that end the reading, and warnings that do not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a document was refused. The message is a sentence that says what is wrong and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("line {line}, column {column}: {path}: {message}")]
pub struct XmlError {
    /// Line of the fault, from 1.
    pub line: u32,
    /// Column of the fault in characters, from 1.
    pub column: u32,
    /// Element or attribute, e.g. `/domain/devices/disk[2]/driver/@cache`; `/` for the document itself.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// How strictly a document is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// The first warning becomes an error.
    pub strict: bool,
}

/// A document and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<T> {
    /// The document.
    pub document: T,
    /// In document order.
    pub warnings: Vec<Warning>,
}

/// Why something in a document is worth a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// libvirt's grammar has no such element, attribute or text here: most likely a typo.
    Unknown,
    /// It is known, and the native driver does not act on it.
    NotHonoured,
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::NotHonoured => "not-honoured",
        })
    }
}

/// Something in a document that was kept and has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Element or attribute, e.g. `/domain/devices/disk[1]/driver/@cahce`.
    pub path: String,
    /// What it is, and what was meant if that can be guessed.
    pub message: String,
    /// Why.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, path, message, .. } = self;
        write!(f, "line {line}, column {column}: {path}: {message}")
    }
}

impl From<Warning> for XmlError {
    /// What `strict` makes of a warning.
    fn from(warning: Warning) -> Self {
        let Warning { line, column, path, message, .. } = warning;
        Self { line, column, path, message }
    }
}

/// An error on its way up: the place is still an offset into the text.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Byte offset into the document.
    pub offset: usize,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

/// A document with its warnings, or the first warning as an error when they are asked for as errors.
pub(crate) fn finish<T>(
    document: T,
    warnings: Vec<Warning>,
    options: &ParseOptions,
) -> Result<Parsed<T>, XmlError> {
    match warnings.first() {
        Some(first) if options.strict => Err(first.clone().into()),
        _ => Ok(Parsed { document, warnings }),
    }
}
