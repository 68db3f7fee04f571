//! Definitions of networks and packet filters. Nothing here is started: that takes a namespace, which tests/tests/networks has.

use reeve_model::ErrorCode;
use reeve_model::network::{NetworkUpdate, UpdateCommand, UpdateSection};
use tempfile::TempDir;

use crate::support::{Host, ROOT, Setup, host_at, refused};

/// An isolated network, `192.168.{third}.1/24`.
pub fn network(name: &str, third: u8) -> String {
    format!(
        "<network><name>{name}</name><bridge name='{name}br'/><ip address='192.168.{third}.1' netmask='255.255.255.0'>\
         <dhcp><range start='192.168.{third}.100' end='192.168.{third}.150'/></dhcp></ip></network>"
    )
}

/// A packet filter with these entries.
pub fn filter(name: &str, entries: &str) -> String {
    format!("<filter name='{name}' chain='root'>{entries}</filter>")
}

/// Another static host.
pub fn new_host(live: bool, config: bool) -> NetworkUpdate {
    NetworkUpdate {
        command: UpdateCommand::AddLast,
        section: UpdateSection::IpDhcpHost,
        xml: "<host mac='52:54:00:00:00:07' ip='192.168.77.7'/>".to_owned(),
        parent: None,
        live,
        config,
    }
}

/// A host that has been recovered, with what ships.
pub(crate) async fn recovered(directory: &TempDir) -> Host {
    let host = host_at(directory.path(), Setup::default());
    host.recover().await.unwrap();
    host
}

fn names(host: &Host) -> Vec<String> {
    host.networks(&ROOT).unwrap().into_iter().map(|row| row.name).collect()
}

#[tokio::test]
async fn definitions_are_kept() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    assert_eq!(names(&host), ["default"], "it ships");
    let defined = host.define_network(&ROOT, &network("lab", 77), false).await.unwrap().network;
    assert!(defined.persistent && !defined.active && !defined.autostart, "{defined:?}");
    assert!(host.set_network_autostart(&ROOT, "lab", true).await.unwrap().autostart);
    host.update_network(&ROOT, "lab", &new_host(false, true)).await.unwrap();
    refused(
        host.update_network(&ROOT, "lab", &new_host(true, false)).await,
        ErrorCode::WrongState,
        &["'lab'", "not active"],
    );
    let xml = host.network_xml(&ROOT, "lab", true).unwrap();
    assert!(xml.contains("192.168.77.7"), "{xml}");
    let edited = xml.replace("77.150", "77.160");
    host.edit_network(&ROOT, "lab", &edited, false, None).await.unwrap();
    refused(
        host.edit_network(&ROOT, "lab", &xml, false, Some("of another document")).await,
        ErrorCode::Busy,
        &["'lab'", "somebody else"],
    );
    refused(
        host.edit_network(&ROOT, "lab", &edited.replace("lab</name>", "bal</name>"), false, None).await,
        ErrorCode::Invalid,
        &["'lab'"],
    );
    host.undefine_network(&ROOT, "default").await.unwrap();
    drop(host);

    let host = recovered(&directory).await;
    assert_eq!(names(&host), ["lab"], "what was removed does not come back");
    let row = host.network_info(&ROOT, "lab").unwrap();
    assert!((row.uuid, row.autostart) == (defined.uuid, true), "{row:?}");
    assert!(host.network_xml(&ROOT, "lab", false).unwrap().contains("77.160"));
}

#[tokio::test]
async fn filters_are_kept() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    let shipped = host.filters(&ROOT).unwrap().len();
    assert!(host.filter_xml(&ROOT, "clean-traffic").unwrap().contains("no-mac-spoofing"));
    let rule = "<rule action='accept' direction='in' priority='500'><tcp dstportstart='80'/></rule>";
    let first = host.define_filter(&ROOT, &filter("web", rule), false).await.unwrap().filter;
    let again =
        host.define_filter(&ROOT, &filter("web", &rule.replace("80", "443")), false).await.unwrap().filter;
    assert_eq!(first.uuid, again.uuid, "a document without an identity is that of the filter with its name");
    let reference = |to: &str| format!("<filterref filter='{to}'/>");
    let early = host.define_filter(&ROOT, &filter("a", &reference("b")), false).await.unwrap();
    assert!(early.warnings[0].contains("'b'"), "{early:?}");
    refused(
        host.define_filter(&ROOT, &filter("b", &reference("a")), false).await,
        ErrorCode::Invalid,
        &["packet filter 'b'"],
    );
    host.define_filter(&ROOT, &filter("a", &reference("web")), false).await.unwrap();
    refused(host.undefine_filter(&ROOT, "web").await, ErrorCode::WrongState, &["'web'", "'a'"]);
    host.undefine_filter(&ROOT, "clean-traffic-gateway").await.unwrap();
    drop(host);

    let host = recovered(&directory).await;
    assert_eq!(host.filters(&ROOT).unwrap().len(), shipped + 1);
    assert!(host.filter_xml(&ROOT, "web").unwrap().contains("443"));
    refused(host.filter_xml(&ROOT, "clean-traffic-gateway"), ErrorCode::NotFound, &["clean-traffic-gateway"]);
    host.undefine_filter(&ROOT, "a").await.unwrap();
    host.undefine_filter(&ROOT, "web").await.unwrap();
    refused(host.filter_xml(&ROOT, "web"), ErrorCode::NotFound, &["'web'"]);
}
