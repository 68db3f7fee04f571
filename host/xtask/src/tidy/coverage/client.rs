//! Which operation a function of the client asks for: the method and the segments of the path that its code names, itself or
//! through a function of the client that it calls.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenTree};

use super::source::{Function, Source, group, inside, sequences, split, starts, text, word};

/// How many functions deep a path may be hidden.
const DEPTH: usize = 3;
/// What a request is that names no method.
const DEFAULT_METHOD: &str = "GET";

/// A part of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// Written there.
    Fixed(String),
    /// A parameter of the function, or any other expression.
    Open(String),
}

/// Method and path, as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: String,
    pub segments: Vec<Segment>,
}

/// The functions of the client by name.
pub struct Client(BTreeMap<String, Function>);

impl Client {
    pub fn read<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let functions = sources.flat_map(Source::functions);
        Self(functions.map(|function| (function.name.clone(), function)).collect())
    }

    /// What a function of that name asks for.
    pub fn requests(&self, function: &str) -> Vec<Request> {
        let (mut methods, paths) = self.named(function, DEPTH);
        if methods.is_empty() {
            methods.push(DEFAULT_METHOD.to_owned());
        }
        let request = |method: &String, segments: &Vec<Segment>| Request {
            method: method.clone(),
            segments: segments.clone(),
        };
        methods.iter().flat_map(|method| paths.iter().map(move |path| request(method, path))).collect()
    }

    /// Methods and paths in a function and those it calls.
    fn named(&self, function: &str, depth: usize) -> (Vec<String>, Vec<Vec<Segment>>) {
        let (mut methods, mut paths) = (Vec::new(), Vec::new());
        let (Some(function), Some(deeper)) = (self.0.get(function), depth.checked_sub(1)) else {
            return (methods, paths);
        };
        sequences(&function.body, &mut |tokens| {
            for index in 0..tokens.len() {
                let here = &tokens[index..];
                if starts(here, &["Method", ":", ":"]) {
                    methods.extend(here.get(3).and_then(word));
                } else if starts(here, &["Target", ":", ":", "new"]) {
                    paths.extend(here.get(4).and_then(path));
                } else if let ([_, arguments, ..], Some(name)) = (here, here.first().and_then(word))
                    && let Some(arguments) = group(arguments, Delimiter::Parenthesis)
                    && name != function.name
                {
                    let (more, below) = self.named(&name, deeper);
                    methods.extend(more);
                    let arguments = inside(arguments);
                    let given: Vec<_> = split(&arguments).into_iter().map(segment).collect();
                    paths.extend(below.into_iter().map(|path| self.filled(&name, path, &given)));
                }
            }
        });
        (methods, paths)
    }

    /// A path with the parameters of `function` replaced by what it was given.
    fn filled(&self, function: &str, path: Vec<Segment>, given: &[Segment]) -> Vec<Segment> {
        let parameters = self.0.get(function).map(|function| &function.parameters[..]).unwrap_or_default();
        let fill = |part: Segment| {
            let Segment::Open(name) = &part else { return part };
            let number = parameters.iter().position(|parameter| parameter == name);
            number.and_then(|number| given.get(number).cloned()).unwrap_or(part)
        };
        path.into_iter().map(fill).collect()
    }
}

/// The array in the arguments of `Target::new`.
fn path(arguments: &TokenTree) -> Option<Vec<Segment>> {
    let arguments = inside(group(arguments, Delimiter::Parenthesis)?);
    let array = inside(arguments.iter().find_map(|token| group(token, Delimiter::Bracket))?);
    Some(split(&array).into_iter().map(segment).collect())
}

fn segment(tokens: &[TokenTree]) -> Segment {
    match tokens {
        [only] => match (text(only), word(only)) {
            (Some(fixed), _) => Segment::Fixed(fixed),
            (None, name) => Segment::Open(name.unwrap_or_default()),
        },
        _ => Segment::Open(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_the_function_and_below_it() {
        let text = "impl Client {
            async fn start(&self, domain: &str) -> R { self.verb(domain, \"start\").await }
            async fn verb(&self, domain: &str, verb: &str) -> R {
                self.call(Method::POST, Target::new(&[\"domains\", domain, verb]), Empty).await
            }
            async fn recorded(&self, policy: &str) -> R { self.call(Method::GET, recording(policy)).await }
            async fn console(&self) { Request::builder().uri(Target::new(&[\"console\"]).into_string()) }
            fn again(&self) { self.again() }
        }
        fn recording(policy: &str) -> Target { Target::new(&[\"policies\", policy, \"recording\"]) }";
        let source = Source::parse("client.rs".into(), text).expect("tokens");
        let client = Client::read([&source].into_iter());
        let shown = |function: &str| {
            let requests = client.requests(function).into_iter().map(|Request { method, segments }| {
                let part = |part: &Segment| match part {
                    Segment::Fixed(text) => text.clone(),
                    Segment::Open(name) => format!("{{{name}}}"),
                };
                format!("{method} {}", segments.iter().map(part).collect::<Vec<_>>().join("/"))
            });
            requests.collect::<Vec<_>>()
        };
        assert_eq!(shown("start"), ["POST domains/{domain}/start"]);
        assert_eq!(shown("recorded"), ["GET policies/{policy}/recording"]);
        assert_eq!(shown("console"), ["GET console"]);
        assert!(shown("again").is_empty() && shown("nothing").is_empty());
    }
}
