//! Grants, one a line after a first line with the subject: no panic; nothing is allowed that is not on both sides; what is
//! shown as granted grants the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_model::Verb;
use reeve_model::policy::WantedGrant;
use reeve_policy::grant::Grant;
use reeve_policy::grants::Grants;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let subject = lines.next().unwrap_or_default();
    let given: Vec<String> = lines.filter(|line| Grant::parse(line).is_ok()).map(str::to_owned).collect();
    let asked: Vec<WantedGrant> =
        given.iter().map(|grant| WantedGrant { grant: grant.clone(), reason: String::new() }).collect();
    let grants = Grants::new(&asked, &given).expect("every line is a grant");
    let shown = Grants::new(&asked, grants.texts()).expect("what is shown is a grant");
    let (only_asked, only_given) = (Grants::new(&asked, &[]), Grants::new(&[], &given));
    let one_sided = [only_asked.expect("as above"), only_given.expect("as above")];
    for verb in Verb::ALL {
        let allowed =
            given.iter().any(|grant| Grant::parse(grant).is_ok_and(|grant| grant.covers(verb, subject)));
        assert_eq!(grants.permits(verb, subject), allowed);
        assert_eq!(shown.permits(verb, subject), allowed);
        assert!(one_sided.iter().all(|side| !side.permits(verb, subject)));
    }
    assert_eq!(shown.kv_quota(), grants.kv_quota());
});
