//! Where a registry may send a download. Credentials never go along to another host.

use hyper::Uri;

use super::authority;
use crate::reference::is_loopback;

/// Redirects of one request.
const HOPS: usize = 5;

/// One way to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Where to.
    pub(crate) uri: Uri,
    /// Whether it is the registry still.
    pub(crate) same_host: bool,
}

/// The next address of a download that began at `first` and was sent from `from` to `location`; a sentence when it is refused.
pub(crate) fn follow(first: &Uri, from: &Uri, location: &str, hops: usize) -> Result<Hop, &'static str> {
    if hops >= HOPS {
        return Err("it goes on and on");
    }
    let uri: Uri = if location.starts_with('/') && !location.starts_with("//") {
        let base = format!("{}://{}", from.scheme_str().unwrap_or("https"), authority(from));
        format!("{base}{location}").parse().map_err(|_| "it is no address")?
    } else {
        location.parse().map_err(|_| "it is no address")?
    };
    let host = uri.host().ok_or("it names no host")?;
    match (from.scheme_str(), uri.scheme_str()) {
        (_, Some("https")) => {}
        (Some("http"), Some("http")) if authority(&uri) == authority(from) || is_loopback(bare(host)) => {}
        (_, Some("http")) => return Err("it leads to a host without TLS"),
        _ => return Err("it is neither http nor https"),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("it has credentials in it");
    }
    let here = |uri: &Uri| is_loopback(bare(uri.host().unwrap_or_default()));
    if here(&uri) && !here(first) {
        return Err("it leads to this machine");
    }
    let same_host = authority(&uri) == authority(first) && uri.scheme() == first.scheme();
    Ok(Hop { uri, same_host })
}

/// An address as it may be shown.
pub(crate) fn without_credentials(location: &str) -> String {
    let shown = location.parse::<Uri>().ok().map(|uri| {
        let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
        format!("{scheme}{}{}", authority(&uri), uri.path())
    });
    crate::digest::short(&shown.unwrap_or_default())
}

/// A value for a query string.
pub(crate) fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte);
    value
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(from: &str, location: &str) -> Result<(String, bool), &'static str> {
        let from: Uri = from.parse().expect("an address");
        follow(&from, &from, location, 0).map(|hop| (hop.uri.to_string(), hop.same_host))
    }

    #[test]
    fn downloads_may_come_from_elsewhere_but_not_with_less_protection() {
        let registry = "https://a.example.org/v2/x/blobs/y";
        assert_eq!(go(registry, "/z?q=1"), Ok(("https://a.example.org/z?q=1".into(), true)));
        assert_eq!(
            go(registry, "https://cdn.example.org/z"),
            Ok(("https://cdn.example.org/z".into(), false))
        );
        assert_eq!(
            go(registry, "https://a.example.org:444/z"),
            Ok(("https://a.example.org:444/z".into(), false))
        );
        assert_eq!(
            go("http://127.0.0.1:5000/x", "http://127.0.0.1:5001/z"),
            Ok(("http://127.0.0.1:5001/z".into(), false))
        );
        for (location, reason) in [
            ("http://a.example.org/z", "without TLS"),
            ("https://user:word@cdn.example.org/z", "credentials in it"),
            ("https://127.0.0.1/z", "this machine"),
            ("https://[::1]:99/z", "this machine"),
            ("https://localhost/z", "this machine"),
            ("ftp://a.example.org/z", "neither http nor https"),
            ("//cdn.example.org/z", "names no host"),
            ("z", "neither http nor https"),
            ("https://", "no address"),
            ("", "no address"),
        ] {
            let refused = go(registry, location).expect_err(location);
            assert!(refused.contains(reason), "{location}: {refused}");
        }
        let uri: Uri = registry.parse().expect("an address");
        assert_eq!(follow(&uri, &uri, "/z", HOPS), Err("it goes on and on"));
    }
}
