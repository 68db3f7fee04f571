//! Documents of pools and volumes: what is read, the canonical form, and what is refused, where and why.

use reeve_model::Bytes;
use reeve_model::storage::PoolKind;
use reeve_xml::{Kind, ParseOptions, XmlError, check, pool, volume};

fn canonical(text: &str, kind: Kind) -> String {
    let checked = check(text, Some(kind)).expect("a good document");
    assert_eq!(checked.warnings, [], "{text}");
    checked.canonical
}

#[test]
fn a_pool_of_a_disk_gets_libvirts_form() {
    let text = "<pool type='disk'><target><permissions><mode>700</mode><owner>-1</owner><group>6</group></permissions>
        <path>/dev</path></target><source><format type='gpt'/>
        <device path='/dev/sdb' part_separator='no'><freeExtent start='32256' end='136060416'/></device></source>
        <available unit='G'>2</available><name>guest_images_disk</name></pool>";
    assert_eq!(
        canonical(text, Kind::Pool),
        "<pool type='disk'>
  <name>guest_images_disk</name>
  <available unit='bytes'>2147483648</available>
  <source>
    <device path='/dev/sdb' part_separator='no'>
      <freeExtent start='32256' end='136060416'/>
    </device>
    <format type='gpt'/>
  </source>
  <target>
    <path>/dev</path>
    <permissions>
      <mode>0700</mode>
      <group>6</group>
    </permissions>
  </target>
</pool>
"
    );
}

#[test]
fn every_kind_of_pool_is_read() {
    for (word, source) in [
        ("dir", ""),
        ("fs", "<device path='/dev/sdc1'/><format type='ext4'/>"),
        ("netfs", "<host name='files.lab.test' port='2049'/><dir path='/export'/><format type='nfs'/>"),
        ("logical", "<device path='/dev/sdb'/><device path='/dev/sdc'/><name>vg0</name>"),
        ("disk", "<device path='/dev/sdb'/><vendor name='Acme'/><product name='Disk'/>"),
        (
            "iscsi",
            "<host name='10.0.0.1'/><device path='iqn.2010-05.com.example.server1:iscsirhel6guest'/>
             <initiator><iqn name='iqn.2010-05.com.example:host'/></initiator>",
        ),
        ("iscsi-direct", "<host name='10.0.0.1'/><device path='iqn.2010-05.com.example:a'/>"),
        (
            "scsi",
            "<adapter type='fc_host' parent='scsi_host3' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>",
        ),
        ("mpath", ""),
        ("rbd", "<name>pool</name><host name='mon1'/>"),
        ("sheepdog", "<name>pool</name>"),
        ("gluster", "<host name='g1'/><dir path='/a'/><name>vol</name>"),
        ("zfs", "<name>tank</name>"),
        ("vstorage", "<name>cluster</name>"),
    ] {
        let text = format!(
            "<pool type='{word}'><name>a</name><source>{source}</source><target><path>/srv/a</path></target></pool>"
        );
        let parsed = pool::parse(&text, &ParseOptions { strict: true }).expect(word);
        assert_eq!(parsed.document.kind.as_str(), word);
        assert_eq!(pool::parse(&pool::format(&parsed.document), &ParseOptions::default()), Ok(parsed));
    }
    assert_eq!(PoolKind::ALL.len(), 14);
}

#[test]
fn what_has_no_effect_is_kept_and_told() {
    let text = "<pool type='iscsi'><name>a</name><source><host name='h'/><device path='iqn.2010-05.com.example:a'/>
        <auth type='chap' username='me'><secret usage='lab'/></auth></source><refresh><volume allocation='capacity'/></refresh>
        <colour>red</colour></pool>";
    let checked = check(text, None).expect("a good document");
    let paths: Vec<&str> = checked.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["/pool/refresh", "/pool/colour"]);
    for kept in ["<secret usage='lab'/>", "<volume allocation='capacity'/>", "<colour>red</colour>"] {
        assert!(checked.canonical.contains(kept), "{kept}: {}", checked.canonical);
    }
    let text = "<pool type='netfs'><name>a</name><source><host name='h'/><dir path='/e'/>
        <auth type='chap' username='me'><secret usage='lab'/></auth></source><target><path>/srv</path></target></pool>";
    let checked = check(text, None).expect("a good document");
    let paths: Vec<&str> = checked.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["/pool/source/auth"]);
}

#[test]
fn a_volume_in_every_detail() {
    let text = "<volume type='file'><target><features><lazy_refcounts/></features><compat>1.1</compat>
        <format type='qcow2'/><path>/srv/a.qcow2</path><clusterSize unit='KiB'>64</clusterSize>
        <timestamps><mtime>1.2</mtime></timestamps>
        <permissions><mode>0600</mode><owner>107</owner></permissions></target>
        <allocation/><capacity unit='T'>1</capacity><key>/srv/a.qcow2</key><name>a.qcow2</name>
        <backingStore><format type='raw'/><path>/srv/base.img</path></backingStore></volume>"
        .replace("<allocation/>", "<allocation>0</allocation>");
    assert_eq!(
        canonical(&text, Kind::Volume),
        "<volume type='file'>
  <name>a.qcow2</name>
  <key>/srv/a.qcow2</key>
  <capacity unit='bytes'>1099511627776</capacity>
  <allocation unit='bytes'>0</allocation>
  <target>
    <path>/srv/a.qcow2</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0600</mode>
      <owner>107</owner>
    </permissions>
    <timestamps>
      <mtime>1.2</mtime>
    </timestamps>
    <compat>1.1</compat>
    <clusterSize unit='bytes'>65536</clusterSize>
    <features>
      <lazy_refcounts/>
    </features>
  </target>
  <backingStore>
    <path>/srv/base.img</path>
    <format type='raw'/>
  </backingStore>
</volume>
"
    );
    let parsed = volume::parse(&text, &ParseOptions::default()).expect("a good volume").document;
    assert_eq!(parsed.capacity, Some(Bytes(1 << 40)));
    let empty = "<volume><name>a</name><capacity>1</capacity><backingStore/></volume>";
    let parsed = volume::parse(empty, &ParseOptions::default()).expect("a good volume").document;
    assert!(parsed.backing.is_none());
}

#[test]
fn sources_to_look_for_pools_with() {
    let text = "<source><host name='files.lab.test'/><initiator><iqn name='iqn.2010-05.com.example:host'/></initiator></source>";
    let source = pool::parse_source(text).expect("a source");
    assert_eq!(source.hosts[0].name, "files.lab.test");
    let list = pool::format_sources(&[source]);
    assert!(list.starts_with("<sources>\n  <source>\n    <host name='files.lab.test'/>"), "{list}");
    assert_eq!(check(&list, None).map(|checked| checked.canonical), Ok(list));
    let error = pool::parse_source("<sources/>").expect_err("another element");
    assert_eq!(error.message, "a source to look for pools with starts with <source>, not <sources>");
}

fn assert_refused<T: std::fmt::Debug>(text: &str, result: Result<T, XmlError>, path: &str, message: &str) {
    let error = result.expect_err(text);
    assert!(error.message.contains(message) && error.path == path, "{text}: {error}");
}

#[test]
fn pools_are_refused_with_place_and_reason() {
    let source = "/pool/source";
    for (kind, body, path, message) in [
        ("heap", "", "/pool/@type", "not one of dir, fs, netfs"),
        ("dir", "", "/pool", "needs the directory"),
        ("dir", "<target><path>srv</path></target>", "/pool/target/path", "not an absolute path"),
        ("dir", "<target><path>/srv/../etc</path></target>", "/pool/target/path", "goes up with '..'"),
        (
            "dir",
            "<target><path>/a</path><permissions><mode>0999</mode></permissions></target>",
            "/pool/target/permissions/mode",
            "not octal",
        ),
        (
            "dir",
            "<target><path>/a</path><permissions><owner>-2</owner></permissions></target>",
            "/pool/target/permissions/owner",
            "no id",
        ),
        ("fs", "<target><path>/a</path></target>", "/pool", "made of one <device"),
        ("fs", "<source><device path='-o'/></source>", "/pool/source/device", "not an absolute path"),
        ("disk", "<source><device path='/dev/a'/><device path='/dev/b'/></source>", source, "one <device"),
        ("disk", "<source><device/></source>", "/pool/source/device", "needs the attribute path"),
        ("netfs", "<source><dir path='/a'/></source>", source, "needs <host"),
        ("netfs", "<source><host name='h'/></source>", source, "needs <dir"),
        (
            "netfs",
            "<source><host name='-oh'/><dir path='/a'/></source>",
            "/pool/source/host",
            "begin with '-'",
        ),
        (
            "netfs",
            "<source><host name='a b'/><dir path='/a'/></source>",
            "/pool/source/host",
            "neither a host",
        ),
        ("logical", "<source><name>a/b</name></source>", "/pool/source/name", "can't be a volume group"),
        ("iscsi", "<source><host name='h'/></source>", source, "needs <device"),
        (
            "iscsi",
            "<source><host name='h'/><device path='disk 1'/></source>",
            "/pool/source/device",
            "is no iSCSI name",
        ),
        ("scsi", "", "/pool", "needs <adapter"),
        ("gluster", "", "/pool", "needs <name>"),
        ("dir", "<capacity unit='acre'>1</capacity>", "/pool/capacity/@unit", "no unit of size"),
        ("dir", "<capacity unit='EiB'>99</capacity>", "/pool/capacity", "more than can be counted"),
        ("mpath", "<source><name>-a</name></source>", "/pool/source/name", "begin with '-'"),
    ] {
        let text = format!("<pool type='{kind}'><name>a</name>{body}</pool>");
        assert_refused(&text, pool::parse(&text, &ParseOptions::default()), path, message);
    }
    for name in ["", "a/b", "a&#10;b"] {
        let text = format!("<pool type='mpath'><name>{name}</name></pool>");
        assert_refused(&text, pool::parse(&text, &ParseOptions::default()), "/pool/name", "1 to 255 bytes");
    }
    let secret = "<pool type='iscsi'><name>a</name><source><auth type='chap' login='me' passwd='hush'/></source></pool>";
    let error = pool::parse(secret, &ParseOptions::default()).expect_err("a password");
    assert!(error.message.contains("define a secret") && !error.to_string().contains("hush"), "{error}");
}

#[test]
fn volumes_are_refused_with_place_and_reason() {
    let options = ParseOptions::default();
    for name in ["../a", "a/b", ".", "..", ".hidden", "-rf", "", "a&#10;b"] {
        let text = format!("<volume><name>{name}</name><capacity>1</capacity></volume>");
        assert_refused(&text, volume::parse(&text, &options), "/volume/name", "name");
    }
    for (body, path, message) in [
        ("<capacity>-1</capacity>", "/volume/capacity", "not a whole number"),
        ("<capacity>9223372036854775808</capacity>", "/volume/capacity", "8 EiB less one byte"),
        ("<target><compat>2</compat></target>", "/volume/target/compat", "neither '0.10' nor '1.1'"),
        ("<target><clusterSize>1000</clusterSize></target>", "/volume/target/clusterSize", "power of two"),
        ("<backingStore><format type='raw'/></backingStore>", "/volume/backingStore", "names no image"),
        ("<backingStore><path/></backingStore>", "/volume/backingStore/path", "empty"),
        ("<target><format/></target>", "/volume/target/format", "needs the attribute type"),
    ] {
        let text = format!("<volume><name>a</name>{body}</volume>");
        assert_refused(&text, volume::parse(&text, &options), path, message);
    }
    let long = format!("<volume><name>{}</name></volume>", "a".repeat(256));
    assert_refused(&long, volume::parse(&long, &options), "/volume/name", "1 to 255 bytes");
}
