//! Packet filter rules by nft.

use reeve_sys::nft::{KernelNft, Nft, NftError, NftFamily};

use crate::look::{isolated, output};

#[test]
fn a_script_is_applied_whole_or_not_at_all() {
    isolated(|_| {
        let nft = KernelNft::default();
        assert!(nft.available());
        assert_eq!(nft.list_table(NftFamily::Inet, "reeve").unwrap(), None);
        nft.apply(
            "table inet reeve {\nchain forward {\ntype filter hook forward priority 0; policy drop\n}\n}\n",
        )
        .unwrap();
        let listed = nft.list_table(NftFamily::Inet, "reeve").unwrap().unwrap();
        assert!(listed.contains("policy drop"), "{listed}");
        assert_eq!(listed, output("/usr/sbin/nft", "list table inet reeve"));

        let wrong = "add rule inet reeve forward accept\nadd rule inet reeve nowhere accept\n";
        let error = nft.apply(wrong).unwrap_err();
        assert!(
            matches!(&error, NftError::Refused { message } if message.contains("No such file or directory")),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'));
        assert_eq!(nft.list_table(NftFamily::Inet, "reeve").unwrap().unwrap(), listed);
        let error = nft.apply("this is no rule").unwrap_err().to_string();
        assert!(error.contains("syntax error"), "{error}");
        nft.apply("delete table inet reeve").unwrap();
        assert_eq!(output("/usr/sbin/nft", "list ruleset"), "");
    });
}

#[test]
fn a_large_script_is_one_transaction() {
    isolated(|_| {
        let nft = KernelNft::default();
        let mut script = "table bridge big {\nchain every {\n".to_owned();
        for port in 0..20_000 {
            script.push_str(&format!("ip daddr 10.{}.{}.1 drop\n", port / 256, port % 256));
        }
        script.push_str("}\n}\n");
        nft.apply(&script).unwrap();
        let listed = nft.list_table(NftFamily::Bridge, "big").unwrap().unwrap();
        assert_eq!(listed.matches("drop").count(), 20_000);
    });
}

#[test]
fn names_are_checked_and_a_missing_program_is_said() {
    let nft = KernelNft::at("/no/such/nft");
    assert!(!nft.available());
    for name in ["", "-a", "a b", "a;b", "a\nb", "{"] {
        let error = nft.list_table(NftFamily::Inet, name).unwrap_err();
        assert!(matches!(error, NftError::Name(_)), "{name:?}: {error}");
    }
    let error = nft.apply("flush ruleset").unwrap_err();
    assert_eq!(error.to_string(), "program '/no/such/nft' can't be started");
}
