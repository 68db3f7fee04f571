//! Patterns of names, as plain functions over plain values.

/// How numbers are written.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// The first one.
    pub first: u64,
    /// Digits that one has at least.
    pub width: usize,
}

/// The first name of `pattern` for a clone of `source` that is not taken.
pub fn name(pattern: &str, source: &str, numbers: Numbers, taken: impl Fn(&str) -> bool) -> String {
    let (head, tail) = around(pattern, source);
    let mut number = numbers.first;
    loop {
        let name = format!("{head}{number:0width$}{tail}", width = numbers.width);
        // Names are finite, so some number is free long before they run out.
        if !taken(&name) || number == u64::MAX {
            return name;
        }
        number += 1;
    }
}

/// True when `name` is one that `pattern` gives to clones of `source`, whatever the number.
pub fn fits(pattern: &str, source: &str, numbers: Numbers, name: &str) -> bool {
    let (head, tail) = around(pattern, source);
    let digits = name.strip_prefix(&head).and_then(|rest| rest.strip_suffix(&tail)).unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = |number: u64| format!("{number:0width$}", width = numbers.width) == digits;
    is_number && digits.parse().is_ok_and(|number| number >= numbers.first && shortest(number))
}

/// What stands before and after the number.
fn around(pattern: &str, source: &str) -> (String, String) {
    let (stem, ext) = match source.rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => source.split_at(dot),
        None => (source, ""),
    };
    let (head, tail) = pattern.split_once("{n}").unwrap_or((pattern, ""));
    // Piece by piece: what a name has in braces is no placeholder.
    let fill = |text: &str| {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(match word {
                "name" => source,
                "stem" => stem,
                "ext" => ext,
                _ => "",
            });
            rest = after;
        }
        filled + rest
    };
    (fill(head), fill(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Numbers = Numbers { first: 1, width: 1 };

    #[test]
    fn the_first_free_number() {
        let taken = ["disk-clone1.img", "disk-clone2.img"];
        let named = name("{stem}-clone{n}{ext}", "disk.img", ONE, |name| taken.contains(&name));
        assert_eq!(named, "disk-clone3.img");
        let wide = Numbers { first: 0, width: 3 };
        assert_eq!(name("{n}-{name}", "disk", wide, |name| name == "000-disk"), "001-disk");
        assert_eq!(name("{name}.{n}", "{ext}.img", ONE, |_| false), "{ext}.img.1", "a name is not a pattern");
        assert_eq!(name("x{stem}{n}{ext}", ".hidden", ONE, |_| false), "x.hidden1");
    }

    #[test]
    fn names_of_the_pattern_are_known_again() {
        let fit = |name| fits("{stem}-clone{n}{ext}", "disk.img", Numbers { first: 1, width: 2 }, name);
        assert!(fit("disk-clone01.img") && fit("disk-clone123.img"));
        for other in
            ["disk-clone1.img", "disk-clone00.img", "disk-clone.img", "disk-clonex.img", "disk.img", "a"]
        {
            assert!(!fit(other), "{other}");
        }
    }
}
