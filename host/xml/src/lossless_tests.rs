//! Documents are read, written, read again, and nothing is lost on the way: our own, and every worked example of the guide.
//!
//! The guide is not part of this project. `tests/guide/examples.table` says where its examples stand in its text; the text
//! is read where it lies beside this checkout.

use std::collections::BTreeSet;
use std::path::Path;

use reeve_model::{Bytes, CpuSet};

use crate::tree::{self, Element, Node};
use crate::{ParseOptions, device, domain};

/// One example a line: `FIRST-LAST ROOT good`, or `… refused: PIECE OF THE MESSAGE`.
const EXAMPLES: &str = include_str!("../tests/guide/examples.table");

const DOCUMENTS: [&str; 8] = [
    include_str!("../tests/documents/domain.xml"),
    include_str!("../tests/documents/domainsnapshot.xml"),
    include_str!("../tests/documents/interface.xml"),
    include_str!("../tests/documents/network.xml"),
    include_str!("../tests/documents/nwfilter.xml"),
    include_str!("../tests/documents/pool.xml"),
    include_str!("../tests/documents/secret.xml"),
    include_str!("../tests/documents/volume.xml"),
];

/// Parts of a domain: put into a domain that is good otherwise.
const PARTS: [&str; 14] = [
    "os",
    "cputune",
    "memtune",
    "numatune",
    "clock",
    "features",
    "seclabel",
    "sysinfo",
    "blkiotune",
    "memoryBacking",
    "pm",
    "cpu",
    "devices",
    "metadata",
];

#[test]
fn own_documents() {
    for document in DOCUMENTS {
        assert_eq!(result_of(document), Ok(()), "{document}");
    }
}

/// Found by fuzzing: kept text that begins with U+FEFF lost it as a byte order mark.
#[test]
fn a_byte_order_mark_amid_text_is_a_character() {
    let text = "<serial type='pty'>\u{feff} words <target type='isa-serial' port='0'/></serial>";
    let device = device::parse(text).expect("a device");
    let written = device::format(&device);
    assert!(written.contains("&#65279; words"), "{written}");
    assert_eq!(device::parse(&written), Ok(device));
}

#[test]
fn examples_of_the_guide() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guide/guide.txt");
    let Ok(guide) = std::fs::read_to_string(file) else {
        println!("SKIP guide examples_of_the_guide: the guide is not beside this checkout");
        return;
    };
    let guide: Vec<&str> = guide.split('\n').collect();
    let mut wrong = vec![];
    for row in EXAMPLES.lines().filter(|line| !line.starts_with('#')) {
        let [place, root, expected] = row
            .splitn(3, ' ')
            .collect::<Vec<_>>()
            .try_into()
            .expect("a place, an element and what is expected");
        let (first, last) = place.split_once('-').expect("a first and a last line");
        let [first, last] = [first, last].map(|line| line.parse::<usize>().expect("the number of a line"));
        let text = guide[first - 1..last].join("\n");
        assert!(text.contains(&format!("<{root}")), "the guide has no <{root}> in lines {place}");
        let result = result_of(&text);
        let as_expected = match expected.strip_prefix("refused: ") {
            None => result.is_ok(),
            Some(reason) => result.as_ref().is_err_and(|error| error.contains(reason)),
        };
        if !as_expected {
            wrong.push(format!("{row}: {result:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Filters and tunnels that the guide prints with slips of the pen, mended; rules that stand alone are put into a filter.
#[test]
fn mended_examples_of_the_guide() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guide/guide.txt");
    let Ok(guide) = std::fs::read_to_string(file) else {
        println!("SKIP guide mended_examples_of_the_guide: the guide is not beside this checkout");
        return;
    };
    let guide: Vec<&str> = guide.split('\n').collect();
    for (first, last) in [
        (10811, 10813),
        (10826, 10843),
        (10980, 11005),
        (11025, 11032),
        (11057, 11096),
        (11114, 11149),
        (11180, 11185),
        (11200, 11210),
    ] {
        let mut text = guide[first - 1..last].join("\n");
        for (slip, meant) in [
            ("<!- -", "<!--"),
            ("- ->", "-->"),
            ("</rule>>", "</rule>"),
            ("<cp ", "<tcp "),
            (":01'>", ":01'/>"),
            (":42'>", ":42'/>"),
            (":51'>", ":51'/>"),
        ] {
            text = text.replace(slip, meant);
        }
        if !text.contains("<filter ") && text.contains("<rule") {
            text = format!("<filter name='a'>{text}</filter>");
        }
        assert_eq!(result_of(&text), Ok(()), "lines {first}-{last}: {text}");
    }
}

fn result_of(text: &str) -> Result<(), String> {
    let root = tree::nodes(text).map_err(|error| error.to_string())?;
    let name =
        root.iter().find_map(Node::as_element).map_or_else(String::new, |element| element.name.to_string());
    if PARTS.contains(&name.as_str()) {
        let os = if name == "os" { "" } else { "<os><type>hvm</type></os>" };
        // As many as the guide's cells share out.
        let vcpus = if text.contains("<numa>") { 8 } else { 1 };
        let whole = format!(
            "<domain type='kvm'><name>a</name><memory>1024000</memory><vcpu>{vcpus}</vcpu>{os}{text}</domain>"
        );
        return domain_result(&whole);
    }
    if name == "domain" {
        return domain_result(text);
    }
    let is_host_interface = name == "interface" && text.contains("<protocol family");
    if crate::Kind::of_root(&name).is_some() && (name != "interface" || is_host_interface) {
        let checked = crate::check(text, None).map_err(|error| error.to_string())?;
        assert_nothing_lost(text, &checked.canonical);
        assert_eq!(
            crate::check(&checked.canonical, None).map(|again| again.canonical),
            Ok(checked.canonical)
        );
        return Ok(());
    }
    let parsed = device::parse(text).map_err(|error| error.to_string())?;
    let written = device::format(&parsed);
    assert_nothing_lost(text, &written);
    assert_eq!(device::parse(&written), Ok(parsed));
    Ok(())
}

fn domain_result(text: &str) -> Result<(), String> {
    let parsed = domain::parse(text, &ParseOptions::default()).map_err(|error| error.to_string())?;
    let written = domain::format(&parsed.document);
    assert_nothing_lost(text, &written);
    let again = domain::parse(&written, &ParseOptions::default()).map_err(|error| error.to_string())?;
    assert_eq!(again.document, parsed.document, "{written}");
    assert_eq!(domain::format(&again.document), written);
    Ok(())
}

fn assert_nothing_lost(before: &str, after: &str) {
    let facts = |text| {
        let mut facts = BTreeSet::new();
        collect(&tree::document(text).expect("was read before"), "", &mut facts);
        facts
    };
    let (before, after) = (facts(before), facts(after));
    let lost: Vec<&(String, String)> = before.difference(&after).collect();
    assert!(lost.is_empty(), "lost {lost:?}\nof {before:?}\nkept {after:?}");
}

/// Path and value of every attribute, and every word of text. Values that are written in another way are brought to one form.
fn collect(element: &Element<'_>, parent: &str, facts: &mut BTreeSet<(String, String)>) {
    let path = format!("{parent}/{}", element.name);
    facts.insert((path.clone(), String::new()));
    for attribute in &element.attributes {
        let name = attribute.name.as_ref();
        // The id and the number of guests are the host's; sizes change their unit.
        if (path == "/domain" && name == "id")
            || (path == "/network" && name == "connections")
            || (name == "unit" && ["memory", "currentMemory"].contains(&element.name.as_ref()))
            || (name == "unit" && is_size(&path))
        {
            continue;
        }
        let name = if name == "forwardDelay" { "delay" } else { name };
        facts.insert((format!("{path}/@{name}"), one_form(name, &attribute.value)));
    }
    let unit = element.attribute("unit").map_or("bytes", |unit| unit.value.as_ref());
    for word in element.text().split_whitespace() {
        if is_size(&path) {
            let size = word.parse().ok().and_then(|count| Bytes::of_unit(count, unit)).expect("a size");
            facts.insert((path.clone(), size.0.to_string()));
            continue;
        }
        facts.insert((path.clone(), one_form(&element.name, word)));
    }
    for child in element.elements() {
        collect(child, &path, facts);
    }
}

/// True for sizes of pools and volumes, which are written in bytes.
fn is_size(path: &str) -> bool {
    let size = ["capacity", "allocation", "available", "physical"];
    ["/pool/", "/volume/"].iter().any(|root| path.strip_prefix(root).is_some_and(|name| size.contains(&name)))
}

fn one_form(name: &str, value: &str) -> String {
    let number = |digits: &str| match digits.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    match name {
        "cpuset" | "nodeset" => {
            value.parse::<CpuSet>().map_or_else(|_| value.to_owned(), |set| set.to_string())
        }
        "uuid" => value.replace('-', ""),
        "domain" | "bus" | "slot" | "function" | "controller" | "target" | "unit" | "port" => {
            number(value).map_or_else(|| value.to_owned(), |number| number.to_string())
        }
        "address" | "mac" | "action" => value.to_ascii_lowercase(),
        "statematch" if value == "0" => "false".to_owned(),
        _ => value.to_owned(),
    }
}
