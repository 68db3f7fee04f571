//! Names that clones and their disks get when neither an operator nor a policy names them (guide 3.2.1).

/// Words that are tried before it is given up.
const ATTEMPTS: u32 = 1000;
/// A file name's ending is at most so long: what follows a dot after that is part of the name.
const ENDING_MAX: usize = 7;
const WORD: &str = "-clone";

/// The first of `web-clone`, `web-clone1`, `web-clone2`… that is free; of `web-clone` it is `web-clone1`.
pub(crate) fn domain(original: &str, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    let (base, first) = match original.rfind(WORD) {
        Some(at) => match original[at + WORD.len()..].parse::<u32>() {
            Ok(number) => (&original[..at], number.saturating_add(1)),
            Err(_) if original.ends_with(WORD) => (&original[..at], 1),
            Err(_) => (original, 0),
        },
        None => (original, 0),
    };
    numbered(first, |number| format!("{base}{WORD}{number}"), is_taken)
}

/// The name of a copy of an image, `-clone` before its ending; of one that is called like the original of `(original, clone)` it is called
/// like the clone. The first that is free.
pub(crate) fn image(
    name: &str,
    domains: Option<(&str, &str)>,
    is_taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= ENDING_MAX => {
            (stem, format!(".{ending}"))
        }
        _ => (name, String::new()),
    };
    let base = match domains {
        Some((original, clone)) if stem == original => clone.to_owned(),
        _ => format!("{stem}{WORD}"),
    };
    numbered(0, |number| format!("{base}{number}{ending}"), is_taken)
}

fn numbered(first: u32, name: impl Fn(&str) -> String, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    let numbers = first..first.saturating_add(ATTEMPTS);
    let words = numbers.map(|number| if number == 0 { String::new() } else { number.to_string() });
    words.map(|number| name(&number)).find(|name| !is_taken(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_gets_the_first_free_name() {
        let taken = |all: &'static [&'static str]| move |name: &str| all.contains(&name);
        assert_eq!(domain("demo", taken(&[])).as_deref(), Some("demo-clone"));
        assert_eq!(domain("demo", taken(&["demo-clone", "demo-clone1"])).as_deref(), Some("demo-clone2"));
        assert_eq!(domain("demo-clone", taken(&["demo-clone"])).as_deref(), Some("demo-clone1"));
        assert_eq!(domain("demo-clone7", taken(&[])).as_deref(), Some("demo-clone8"));
        assert_eq!(domain("demo-clone-old", taken(&[])).as_deref(), Some("demo-clone-old-clone"));
        assert_eq!(domain("demo", |_| true), None);
    }

    #[test]
    fn an_image_keeps_its_ending() {
        let free = |name: &str| image(name, Some(("demo", "demo-clone")), |_| false).unwrap();
        assert_eq!(free("demo.img"), "demo-clone.img");
        assert_eq!(free("data.qcow2"), "data-clone.qcow2");
        assert_eq!(free("data"), "data-clone");
        assert_eq!(free("data.of-the-year"), "data.of-the-year-clone");
        assert_eq!(free(".hidden"), ".hidden-clone");
        assert_eq!(image("demo.img", None, |_| false).as_deref(), Some("demo-clone.img"));
        let taken = |name: &str| name == "other.img";
        assert_eq!(image("demo.img", Some(("demo", "other")), taken).as_deref(), Some("other1.img"));
    }
}
