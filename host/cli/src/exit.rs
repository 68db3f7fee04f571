//! Errors as the user sees them: a sentence, a hint, an exit code. Nothing else in the crate prints an error.

use std::io::{self, Write};
use std::process::ExitCode;

use reeve_client::ClientError;
use reeve_model::{Error, ErrorCode};

use crate::context::ReadFile;
use crate::image::OpenImage;

/// Exit codes, as `reeve --help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Failed in a way no other code names.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such domain, policy or file.
    NotFound = 3,
    /// Denied by authorization or by a policy.
    Denied = 4,
    /// The daemon cannot be reached.
    Unreachable = 5,
    /// Not possible in this state.
    Conflict = 6,
    /// The document or value is not valid.
    Invalid = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Writes the error to standard error and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that went away (`reeve … | head`) is no failure worth a word.
    let pipe = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if pipe.into_iter().any(|cause| cause.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let (exit, text) = explain(error);
    // Standard error is the last resort: when it is gone there is nowhere left to say so.
    let _ = io::stderr().write_all(text.as_bytes());
    exit.into()
}

/// The exit code and the text for an error.
pub(crate) fn explain(error: &anyhow::Error) -> (Exit, String) {
    let (exit, hint) = classify(error);
    let mut sentences: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Transparent wrappers say the same again.
        if sentences.last() != Some(&cause) {
            sentences.push(cause);
        }
    }
    let mut text = format!("error: {}\n", sentences.join(": "));
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    (exit, text)
}

fn classify(error: &anyhow::Error) -> (Exit, Option<String>) {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return classify_client(error);
        }
        if let Some(error) = cause.downcast_ref::<Error>() {
            return classify_refusal(error);
        }
        if let Some(usage) = cause.downcast_ref::<Usage>() {
            return (Exit::Usage, usage.hint.map(str::to_owned));
        }
        if let Some(foreign) = cause.downcast_ref::<Foreign>() {
            return (foreign.exit, Some(foreign.hint.clone()));
        }
        if cause.is::<Invalid>() || cause.is::<reeve_xml::XmlError>() {
            return (Exit::Invalid, None);
        }
        if let Some(error) = cause.downcast_ref::<reeve_image::ImageError>() {
            return classify_image(error);
        }
        if let Some(OpenImage { source, .. }) = cause.downcast_ref::<OpenImage>() {
            return classify_open(source);
        }
        if let Some(ReadFile { source, .. }) = cause.downcast_ref::<ReadFile>() {
            let missing = source.kind() == io::ErrorKind::NotFound;
            return (if missing { Exit::NotFound } else { Exit::Failed }, None);
        }
    }
    (Exit::Failed, None)
}

fn classify_image(error: &reeve_image::ImageError) -> (Exit, Option<String>) {
    use reeve_image::ImageError;
    match error {
        ImageError::Io { .. } if error.is_full() => {
            (Exit::Failed, Some("make room and try again".to_owned()))
        }
        ImageError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => (Exit::NotFound, None),
        ImageError::Io { .. } => (Exit::Failed, None),
        ImageError::Refused { .. } => (Exit::Conflict, None),
        ImageError::Backing { .. } => {
            (Exit::Invalid, Some("allow the directory of a backing file with --backing-dir".to_owned()))
        }
        ImageError::Damaged { .. } | ImageError::Unsupported { .. } | ImageError::Format(_) => {
            (Exit::Invalid, None)
        }
    }
}

fn classify_open(error: &reeve_sys::open::ImageError) -> (Exit, Option<String>) {
    use reeve_sys::open::ImageError;
    match error {
        ImageError::InUse => (Exit::Conflict, Some("a machine or another command has it open".to_owned())),
        ImageError::Claimed => (Exit::Conflict, None),
        ImageError::Kind | ImageError::Link | ImageError::Direct => (Exit::Invalid, None),
        ImageError::Io(source) if source.kind() == io::ErrorKind::NotFound => (Exit::NotFound, None),
        ImageError::Io(_) => (Exit::Failed, None),
    }
}

fn classify_client(error: &ClientError) -> (Exit, Option<String>) {
    match error {
        ClientError::Refused(error) => classify_refusal(error),
        ClientError::Unreachable { source, .. } => {
            let hint = match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "start it with 'reeve daemon', or name its directory with --root or REEVE_ROOT"
                }
                io::ErrorKind::PermissionDenied => "only root and the owner of the socket may use it",
                _ => "name the daemon's directory with --root or REEVE_ROOT",
            };
            (Exit::Unreachable, Some(hint.to_owned()))
        }
        ClientError::Broken(_) => {
            (Exit::Failed, Some("look at the daemon's log for what ended it".to_owned()))
        }
        ClientError::Protocol { .. } => (
            Exit::Failed,
            Some("client and daemon may be of different versions: compare 'reeve --version'".to_owned()),
        ),
    }
}

fn classify_refusal(error: &Error) -> (Exit, Option<String>) {
    let (exit, usual) = match error.code {
        ErrorCode::NotFound => (Exit::NotFound, None),
        ErrorCode::Denied => (Exit::Denied, None),
        ErrorCode::AlreadyExists | ErrorCode::WrongState => (Exit::Conflict, None),
        ErrorCode::Busy => (Exit::Conflict, Some("try again when the other operation has ended")),
        ErrorCode::Invalid => (Exit::Invalid, None),
        ErrorCode::Unsupported => (Exit::Failed, None),
        ErrorCode::Deadline => {
            (Exit::Failed, Some("it may still take effect: look at the state before trying again"))
        }
        ErrorCode::Internal => (Exit::Failed, Some("this is a fault of the host: the daemon's log has more")),
    };
    (exit, error.hint.clone().or_else(|| usual.map(str::to_owned)))
}

/// A command line that clap lets through and that still makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// A verb of virsh that has another name here, or none.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Foreign {
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) exit: Exit,
}

/// A document or value of the user's that is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn shown(error: impl Into<anyhow::Error>) -> String {
        let (exit, text) = explain(&error.into());
        format!("{text}exit: {}\n", exit as u8)
    }

    #[test]
    fn errors_name_the_subject_and_the_way_out() {
        let not_found = Error::new(ErrorCode::NotFound, "there is no domain 'web'");
        let denied = Error::new(
            ErrorCode::Denied,
            "policy 'admission' denied the start of domain 'web': 9 GiB asked, 4 GiB left",
        )
        .with_hint("see 'reeve policy decisions'");
        let unreachable = ClientError::Unreachable {
            socket: "/run/reeve/reeve.sock".into(),
            source: io::Error::from_raw_os_error(2),
        };
        let file = ReadFile { file: "web.xml".into(), source: io::Error::from_raw_os_error(2) };
        let all = [
            shown(ClientError::from(not_found)),
            shown(ClientError::from(denied)),
            shown(unreachable),
            shown(file),
            shown(Usage { message: "nothing to do".into(), hint: Some("say what to change") }),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error =
            Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot write").unwrap_err();
        assert_eq!(report(&error), ExitCode::SUCCESS);
    }
}
