//! Every operation of the API is called by a test: by method and path, `("GET", "/v1/node")`, or through the client,
//! `host.client.node_info()`.

use proc_macro2::{Delimiter, TokenTree};

use super::client::{Client, Request, Segment};
use super::source::{Source, group, inside, is, starts, text, word};
use super::{Finding, Tree};

const SOURCES: &str = "host/api/src";
const CLIENT: &str = "host/client/src";
const TESTS: &str = "host/api/tests";
/// Every path begins so.
const VERSION: &str = "/v1/";
/// The name of a client in the tests.
const RECEIVER: &str = "client";

/// Operations that no test calls.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let client = Client::read(tree.below(CLIENT));
    let requests: Vec<Request> = tree.tests().flat_map(|source| requests(source, &client)).collect();
    let untested = tree
        .below(SOURCES)
        .flat_map(operations)
        .filter(|operation| !requests.iter().any(|request| operation.is_asked_by(request)));
    let finding = |Operation { method, path }: Operation| {
        Finding::error(format!(
            "no test calls {method} {path}: add one to {TESTS}, through the client or with (\"{method}\", \"{path}\")"
        ))
    };
    untested.map(finding).collect()
}

/// What a handler answers.
struct Operation {
    method: String,
    path: String,
}

impl Operation {
    /// True when the request can reach no other operation.
    fn is_asked_by(&self, request: &Request) -> bool {
        let own: Vec<_> = self.path.trim_start_matches(VERSION).split('/').collect();
        self.method == request.method
            && own.len() == request.segments.len()
            && own.iter().zip(&request.segments).all(|(own, asked)| match asked {
                Segment::Fixed(text) => own.starts_with('{') || own == text,
                Segment::Open(_) => own.starts_with('{'),
            })
    }
}

/// The operations that the attributes of a file name: `#[utoipa::path(get, path = "…", …)]`.
fn operations(source: &Source) -> Vec<Operation> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for index in 0..tokens.len() {
            if starts(&tokens[index..], &["utoipa", ":", ":", "path"])
                && let Some(options) =
                    tokens.get(index + 4).and_then(|token| group(token, Delimiter::Parenthesis))
            {
                found.extend(operation(&inside(options)));
            }
        }
    });
    found
}

fn operation(options: &[TokenTree]) -> Option<Operation> {
    let at = (0..options.len()).find(|at| starts(&options[*at..], &["path", "="]))?;
    Some(Operation { method: word(options.first()?)?.to_uppercase(), path: text(options.get(at + 2)?)? })
}

/// What the tests of a file ask for.
fn requests(source: &Source, client: &Client) -> Vec<Request> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for index in 0..tokens.len() {
            let here = &tokens[index..];
            if let [method, comma, path, ..] = here
                && is(comma, ',')
                && let (Some(method), Some(path)) = (text(method), text(path))
            {
                found.extend(written(method, &path));
            }
            if let [receiver, rest @ ..] = here
                && word(receiver).as_deref() == Some(RECEIVER)
            {
                // Either a variable or field, or a function that gives one.
                let rest = match rest {
                    [call, rest @ ..] if group(call, Delimiter::Parenthesis).is_some() => rest,
                    rest => rest,
                };
                if let [dot, function, arguments, ..] = rest
                    && is(dot, '.')
                    && group(arguments, Delimiter::Parenthesis).is_some()
                {
                    found.extend(word(function).map(|name| client.requests(&name)).unwrap_or_default());
                }
            }
        }
    });
    found
}

/// A method and a path, if they are such.
fn written(method: String, path: &str) -> Option<Request> {
    let path = path.split('?').next()?.strip_prefix(VERSION)?;
    let is_method = method.chars().all(|letter| letter.is_ascii_uppercase());
    let segments = path.split('/').map(|segment| Segment::Fixed(segment.to_owned())).collect();
    is_method.then_some(Request { method, segments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::coverage::texts;

    const API: (&str, &str) = (
        "host/api/src/domain.rs",
        "#[utoipa::path(get, path = \"/v1/domains\", params(X))] fn list() {}
         #[utoipa::path(post, path = \"/v1/domains/{domain}/start\", operation_id = \"s\")] fn start() {}
         #[utoipa::path(delete, path = \"/v1/domains/{domain}\")] fn undefine() {}",
    );
    const CALLS: (&str, &str) = (
        "host/client/src/domain.rs",
        "impl Client {
            fn start_domain(&self, domain: &str) { self.call(Method::POST, Target::new(&[\"domains\", domain, \"start\"])) }
            fn undefine(&self, domain: &str) { self.call(Method::DELETE, Target::new(&[\"domains\", domain])) }
         }",
    );

    fn missing(test: &str) -> Vec<String> {
        let found = texts(check(&Tree::of(&[API, CALLS, ("host/api/tests/socket/calls.rs", test)])));
        let named = |text: &String| text.split([' ', ':']).skip(3).take(2).collect::<Vec<_>>().join(" ");
        found.iter().map(named).collect()
    }

    #[test]
    fn operations_without_a_call_are_named() {
        let all = ["GET /v1/domains", "POST /v1/domains/{domain}/start", "DELETE /v1/domains/{domain}"];
        assert_eq!(missing(""), all);
        let test = "fn t() { raw(\"GET\", \"/v1/domains?all=1\"); host.client.start_domain(x).await; daemon.client().undefine(\"y\") }";
        assert!(missing(test).is_empty());
    }

    #[test]
    fn what_only_looks_like_a_call_does_not_count() {
        for test in [
            "fn t() { client.start(\"GET\"); start_domain(x); other.undefine(y) }",
            "fn t() { (\"GET\", \"/v1/domains/web/start\"); (\"get\", \"/v1/domains\"); \"GET /v1/domains\" }",
            "// (\"GET\", \"/v1/domains\")",
        ] {
            assert_eq!(missing(test).len(), 3, "{test}");
        }
    }
}
