//! Credentials in the form of docker's `config.json`, as `docker login`, `podman login` and `oras login` write it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

const FILE_LIMIT: u64 = 1 << 20;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// Never shown.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "login of '{}'", self.user)
    }
}

/// Why credentials can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file can't be read.
    #[error("the credentials in '{}' cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is no such file. What is in it is not shown.
    #[error("the credentials in '{}' are not in the form of docker's config.json (line {line})", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the first mistake is.
        line: usize,
    },
    /// An entry is damaged.
    #[error("the credentials for registry '{registry}' in '{}' are damaged: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// For which registry.
        registry: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// They are not in the file but in a program.
    #[error(
        "the credentials for registry '{registry}' are kept by the helper 'docker-credential-{helper}' (see '{}'), which is not run",
        path.display()
    )]
    Helper {
        /// The file.
        path: PathBuf,
        /// For which registry.
        registry: String,
        /// Which program.
        helper: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Zeroizing<String>,
    #[serde(default)]
    identitytoken: Zeroizing<String>,
}

/// Where docker keeps them for this user: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
pub fn usual_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))?;
    Some(directory.join("config.json"))
}

/// The login for `registry` (host and port) in the file; none when there is none, or no file.
pub fn find(path: &Path, registry: &str) -> Result<Option<Login>, CredentialsError> {
    let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Zeroizing::new(Vec::new());
    file.take(FILE_LIMIT).read_to_end(&mut text).map_err(failed)?;
    parse(&text, path, registry)
}

/// The login for `registry` in the text of such a file; `path` is for errors.
pub fn parse(text: &[u8], path: &Path, registry: &str) -> Result<Option<Login>, CredentialsError> {
    let file: File = serde_json::from_slice(text)
        .map_err(|error| CredentialsError::Json { path: path.to_owned(), line: error.line() })?;
    let entry =
        |reason| CredentialsError::Entry { path: path.to_owned(), registry: registry.to_owned(), reason };
    let helper = |helper: &str| CredentialsError::Helper {
        path: path.to_owned(),
        registry: registry.to_owned(),
        helper: helper.to_owned(),
    };
    if let Some(name) = file.cred_helpers.get(registry) {
        return Err(helper(name));
    }
    let Some((_, found)) = file.auths.iter().find(|(key, _)| host(key) == registry) else { return Ok(None) };
    if !found.identitytoken.is_empty() {
        return Err(entry(
            "it has an identity token, which is not supported: log in with a password or an access token",
        ));
    }
    if found.auth.is_empty() {
        let store = &file.creds_store;
        return if store.is_empty() { Ok(None) } else { Err(helper(store)) };
    }
    let plain =
        STANDARD.decode(found.auth.trim()).map(Zeroizing::new).map_err(|_| entry("'auth' is not base64"))?;
    let plain = std::str::from_utf8(&plain).map_err(|_| entry("'auth' is not UTF-8"))?;
    let (user, password) = plain.split_once(':').ok_or_else(|| entry("'auth' is not USER:PASSWORD"))?;
    Ok(Some(Login { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) }))
}

/// The host of a key: some programs write `https://host/v1/` for it.
fn host(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, registry: &str) -> Result<Option<Login>, String> {
        parse(text.as_bytes(), Path::new("config.json"), registry).map_err(|error| error.to_string())
    }

    #[test]
    fn a_login_is_found_by_its_registry() {
        let text = r#"{"auths": {"https://a.example.org/v1/": {"auth": "YWRhOmx1OnY="}, "b.example.org:5000": {"auth": ""}},
                       "HttpHeaders": {}}"#;
        let login = read(text, "a.example.org").expect("valid").expect("there");
        assert_eq!((login.user.as_str(), login.password.as_str()), ("ada", "lu:v"));
        assert_eq!(format!("{login:?}"), "login of 'ada'", "a password is never shown");
        assert_eq!(read(text, "b.example.org:5000"), Ok(None));
        assert_eq!(read(text, "b.example.org"), Ok(None));
        assert_eq!(read("{}", "a.example.org"), Ok(None));
        assert_eq!(find(Path::new("/nowhere/config.json"), "a").expect("no file is no login"), None);
    }

    #[test]
    fn what_cannot_be_used_says_why_and_shows_nothing() {
        let helper = read(r#"{"credHelpers": {"a.b": "pass"}}"#, "a.b").expect_err("not run");
        assert!(helper.contains("kept by the helper 'docker-credential-pass'"), "{helper}");
        let store =
            read(r#"{"auths": {"a.b": {}}, "credsStore": "secretservice"}"#, "a.b").expect_err("not run");
        assert!(store.contains("docker-credential-secretservice"), "{store}");
        assert_eq!(read(r#"{"auths": {}, "credsStore": "secretservice"}"#, "a.b"), Ok(None));
        for (auth, part) in [("c2VjcmV0", "USER:PASSWORD"), ("secret!", "not base64"), ("gICA", "not UTF-8")]
        {
            let error =
                read(&format!(r#"{{"auths": {{"a.b": {{"auth": "{auth}"}}}}}}"#), "a.b").expect_err(auth);
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
        let token = read(r#"{"auths": {"a.b": {"identitytoken": "secret"}}}"#, "a.b").expect_err("token");
        assert!(token.contains("identity token") && !token.contains("secret"), "{token}");
        let json = read("{\n\"auths\": \"secret\"}", "a.b").expect_err("no map");
        assert!(json.contains("line 2") && !json.contains("secret"), "{json}");
    }
}
