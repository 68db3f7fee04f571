//! Rust source as tokens, so that text in comments counts for nothing and code inside of macros for as much as any other.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A file of Rust.
pub struct Source {
    /// Relative to the root.
    pub path: PathBuf,
    tokens: Vec<TokenTree>,
}

/// A function: its name, the names of its parameters without `self`, and its body.
pub struct Function {
    pub name: String,
    pub parameters: Vec<String>,
    pub body: Vec<TokenTree>,
}

impl Source {
    /// Splits a file into tokens.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let tokens: TokenStream =
            text.parse().map_err(|fault| anyhow!("{} is no Rust: {fault}", path.display()))?;
        Ok(Self { path, tokens: tokens.into_iter().collect() })
    }

    /// Every sequence of tokens: the file's own, and that of each group in it.
    pub fn sequences(&self, visit: &mut dyn FnMut(&[TokenTree])) {
        sequences(&self.tokens, visit);
    }

    /// Every function with a body.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        self.sequences(&mut |tokens| {
            for (index, token) in tokens.iter().enumerate() {
                if word(token).as_deref() == Some("fn")
                    && let Some(name) = tokens.get(index + 1).and_then(word)
                {
                    found.extend(function(name, &tokens[index + 2..]));
                }
            }
        });
        found
    }
}

fn function(name: String, rest: &[TokenTree]) -> Option<Function> {
    let end = rest.iter().position(|token| group(token, Delimiter::Brace).is_some() || is(token, ';'))?;
    let body = inside(group(&rest[end], Delimiter::Brace)?);
    let parameters = rest[..end].iter().find_map(|token| group(token, Delimiter::Parenthesis))?;
    let parameters = inside(parameters);
    let parameters = split(&parameters).into_iter().filter_map(parameter_name).collect();
    Some(Function { name, parameters, body })
}

/// The name before the colon; none for `self` and for what is part of a type.
fn parameter_name(parameter: &[TokenTree]) -> Option<String> {
    let parameter = match parameter {
        [first, rest @ ..] if word(first).as_deref() == Some("mut") => rest,
        all => all,
    };
    match parameter {
        [name, colon, ..] if is(colon, ':') => word(name),
        _ => None,
    }
}

/// Calls `visit` with the tokens and with those of each group in them.
pub fn sequences(tokens: &[TokenTree], visit: &mut dyn FnMut(&[TokenTree])) {
    visit(tokens);
    for token in tokens {
        if let TokenTree::Group(group) = token {
            sequences(&inside(group), visit);
        }
    }
}

/// The tokens of a group.
pub fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// The group, if it has such brackets.
pub fn group(token: &TokenTree, delimiter: Delimiter) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// The text of an identifier.
pub fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

/// The text of a string literal, as it is written there: escapes stay as they are.
pub fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    let written = literal.to_string();
    let bare = written.trim_start_matches('r').trim_matches('#');
    Some(bare.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// True for this sign.
pub fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// The parts between the commas.
pub fn split(tokens: &[TokenTree]) -> Vec<&[TokenTree]> {
    let parts = tokens.split(|token| is(token, ','));
    parts.filter(|part| !part.is_empty()).collect()
}

/// True where the tokens from the front on are these words and signs.
pub fn starts(tokens: &[TokenTree], with: &[&str]) -> bool {
    tokens.len() >= with.len()
        && tokens.iter().zip(with).all(|(token, wanted)| match token {
            TokenTree::Ident(ident) => ident == wanted,
            TokenTree::Punct(punct) => wanted.chars().eq([punct.as_char()]),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse(PathBuf::from("x.rs"), text).expect("tokens")
    }

    #[test]
    fn functions_have_names_parameters_and_bodies() {
        let source = parse(
            "trait T { fn none(&self); } impl A { async fn f(&self, mut a: &str, b: Map<X, Y>) -> R<()> { g(a) } }",
        );
        let functions = source.functions();
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), functions[0].parameters.join(" ")), ("f", "a b".to_owned()));
        assert!(starts(&functions[0].body, &["g"]));
        assert!(parse("/* fn no() {} */ // fn no() {}").functions().is_empty());
        assert!(Source::parse(PathBuf::from("x.rs"), "fn (").is_err());
    }

    #[test]
    fn strings_are_read_in_every_form() {
        let tokens: Vec<_> = parse(r##""a b" r#"c"# 'd' 5 b"e""##).tokens.iter().map(text).collect();
        assert_eq!(tokens, [Some("a b".to_owned()), Some("c".to_owned()), None, None, None]);
    }
}
