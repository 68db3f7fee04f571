//! Typed calls, and what they look like to other clients.

use hyper::StatusCode;
use reeve_client::{ClientError, PolicyUpload};
use reeve_model::api::{DefineOptions, DomainFilter, EditOptions, XmlOptions};
use reeve_model::filter::TakeFilter;
use reeve_model::host_interface::{
    BeginHostChange, BridgeHostInterface, HostInterfaceFilter, TakeHostInterface, UnbridgeHostInterface,
};
use reeve_model::network::{NetworkFilter, NetworkUpdate, TakeNetwork, UpdateCommand, UpdateSection};
use reeve_model::node::KsmChange;
use reeve_model::policy::{BreakerSettings, DecisionFilter, FailureMode, PolicyMode, PolicySettings};
use reeve_model::secret::{SecretValue, TakeSecret};
use reeve_model::task::TaskTriggers;
use reeve_model::watch::LogFilter;
use reeve_model::{DomainState, ErrorCode};

use crate::host::{Host, code, document};

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> ErrorCode {
    match result.unwrap_err() {
        ClientError::Refused(error) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn verbs_answer_with_the_row() {
    let host = Host::serve();
    let defined = host.client.define_domain(&document("web"), DefineOptions::default()).await.unwrap();
    assert_eq!((defined.domain.state, defined.warnings.len()), (DomainState::ShutOff, 0));
    assert_eq!(host.client.start_domain("web").await.unwrap().state, DomainState::Running);
    assert_eq!(host.client.suspend_domain("web").await.unwrap().state, DomainState::Paused);
    assert_eq!(host.client.resume_domain("web").await.unwrap().state, DomainState::Running);
    assert_eq!(host.client.domain_info(&defined.domain.uuid.to_string()).await.unwrap().summary.name, "web");
    assert!(host.client.domain_stats("web").await.is_ok());
    assert!(host.client.set_domain_autostart("web", true).await.unwrap().autostart);
    assert_eq!(host.client.destroy_domain("web").await.unwrap().state, DomainState::ShutOff);
    host.client.undefine_domain("web").await.unwrap();
    assert_eq!(refused(host.client.domain_info("web").await), ErrorCode::NotFound);
}

#[tokio::test]
async fn lists_are_filtered_by_the_server() {
    let host = Host::serve();
    for name in ["a", "b"] {
        host.define(name).await;
    }
    host.client.start_domain("b").await.unwrap();
    let names = async |filter: DomainFilter| {
        let rows = host.client.list_domains(&filter).await.unwrap();
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(DomainFilter::default()).await, "a b");
    assert_eq!(names(DomainFilter { active: Some(true), ..Default::default() }).await, "b");
    assert_eq!(names(DomainFilter { state: Some(DomainState::ShutOff), ..Default::default() }).await, "a");
    let (status, body) = host.raw("GET", "/v1/domains?sate=running", "").await;
    assert_eq!((status, code(&body)), (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid));
    assert!(body.contains("sate"), "{body}");
}

#[tokio::test]
async fn errors_have_a_code_and_the_status_that_fits() {
    let host = Host::serve();
    host.define("web").await;
    let cases = [
        ("POST", "/v1/domains/web/destroy", "", StatusCode::CONFLICT, ErrorCode::WrongState),
        ("POST", "/v1/domains/nobody/start", "", StatusCode::NOT_FOUND, ErrorCode::NotFound),
        ("POST", "/v1/domains", "<domain>", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("POST", "/v1/domains", "\u{0}", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        (
            "PUT",
            "/v1/domains/web/memory",
            "{\"byte\": 1}",
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Invalid,
        ),
        ("PUT", "/v1/domains/web/autostart", "", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("POST", "/v1/domains?paused=true", "x", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("PATCH", "/v1/domains/web", "", StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Invalid),
        ("GET", "/v2/domains", "", StatusCode::NOT_FOUND, ErrorCode::NotFound),
        ("GET", "/v1/domains/%ff", "", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("GET", "/v1/node", "", StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
        ("GET", "/v1/node/memory", "", StatusCode::GATEWAY_TIMEOUT, ErrorCode::Deadline),
        ("GET", "/v1/policies/nobody", "", StatusCode::NOT_FOUND, ErrorCode::NotFound),
        ("POST", "/v1/policies?grnat=x", "", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("POST", "/v1/policies?config=%7B", "", StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid),
        ("GET", "/v1/domains/web/console", "", StatusCode::UPGRADE_REQUIRED, ErrorCode::Invalid),
    ];
    for (method, target, body, status, expected) in cases {
        let answer = host.raw(method, target, body).await;
        assert_eq!((answer.0, code(&answer.1)), (status, expected), "{method} {target}: {}", answer.1);
    }
    assert_eq!(host.client.list_domains(&DomainFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn bodies_have_a_limit_by_route() {
    let host = Host::serve();
    let big = vec![b' '; (4 << 20) + 1];
    let (status, body) = host.raw("POST", "/v1/domains", big.clone()).await;
    assert_eq!((status, code(&body)), (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::Invalid));
    // A component may be larger: it gets as far as the host, which has no policy engine here.
    let (status, body) = host.raw("POST", "/v1/policies", big).await;
    assert_eq!((status, code(&body)), (StatusCode::NOT_IMPLEMENTED, ErrorCode::Unsupported));
}

#[tokio::test]
async fn the_node_and_policies_are_reached() {
    let host = Host::serve();
    let state = host.client.set_ksm(&KsmChange { run: Some(1), ..KsmChange::default() }).await.unwrap();
    assert_eq!((state.run, state.pages_to_scan), (1, 100));
    assert!(host.client.list_policies().await.unwrap().is_empty());
    assert!(host.client.decisions(&Default::default()).await.unwrap().is_empty());
    let upload = PolicyUpload {
        component: vec![0],
        mode: Some(PolicyMode::Monitor),
        grants: vec!["domain:read name=web-*".into(), "kv:use".into()],
        config: Some(serde_json::json!({"a": "b&c"})),
        order: Some(-3),
        on_failure: Some(FailureMode::Previous),
        breaker: Some(BreakerSettings { failures: 3, within: 10 }),
        ..PolicyUpload::default()
    };
    assert_eq!(refused(host.client.load_policy(upload).await), ErrorCode::Unsupported);
    assert_eq!(refused(host.client.resume_policy("nobody").await), ErrorCode::NotFound);
    let settings = PolicySettings { enabled: Some(false), ..PolicySettings::default() };
    assert_eq!(refused(host.client.set_policy("nobody", &settings).await), ErrorCode::NotFound);
    assert_eq!(refused(host.client.roll_back_policy("nobody", None).await), ErrorCode::NotFound);
    assert!(
        host.client.tasks().await.unwrap().is_empty()
            && host.client.policy_activity().await.unwrap().is_empty()
    );
    let triggers = TaskTriggers { schedule: Some("every 5m".into()), ..TaskTriggers::default() };
    assert_eq!(refused(host.client.schedule_task("nobody", &triggers).await), ErrorCode::NotFound);
    assert_eq!(refused(host.client.run_task("nobody", vec!["now".into()]).await), ErrorCode::NotFound);
    let filter = LogFilter { after: Some(7), limit: Some(1), wait: Some(20) };
    assert_eq!(refused(host.client.policy_logs("nobody", &filter).await), ErrorCode::NotFound);
}

#[tokio::test]
async fn decisions_are_asked_for_by_time() {
    let host = Host::serve();
    let filter = DecisionFilter {
        since: Some(time::macros::datetime!(2026-11-23 03:00:00.5 +1)),
        until: Some(time::macros::datetime!(2026-11-23 04:00 UTC)),
        ..DecisionFilter::default()
    };
    assert!(host.client.decisions(&filter).await.unwrap().is_empty());
    let (status, body) = host.raw("GET", "/v1/decisions?since=yesterday", "").await;
    assert_eq!((status, code(&body)), (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid));
}

const NETWORK: &str = "<network><name>lab</name><bridge name='labbr'/><ip address='192.168.77.1' netmask='255.255.255.0'/></network>";
const FILTER: &str = "<filter name='web' chain='root'><rule action='accept' direction='in' priority='500'><all/></rule></filter>";

#[tokio::test]
async fn networks_are_defined_and_changed() {
    let host = Host::serve();
    let client = &host.client;
    let defined = client.define_network(NETWORK, TakeNetwork::default()).await.unwrap().network;
    assert_eq!((defined.name.as_str(), defined.active), ("lab", false));
    let all = NetworkFilter { active: Some(false), ..NetworkFilter::default() };
    assert_eq!(client.list_networks(&all).await.unwrap(), std::slice::from_ref(&defined));
    assert_eq!(client.network_info(&defined.uuid.to_string()).await.unwrap(), defined);
    let xml = client.network_xml("lab", XmlOptions::default()).await.unwrap();
    let edited = xml.replace("labbr", "otherbr");
    let options = EditOptions { strict: false, expected: None };
    let edited = client.edit_network("lab", &edited, &options).await.unwrap().network;
    assert_eq!(edited.bridge.as_deref(), Some("otherbr"));
    assert!(client.set_network_autostart("lab", true).await.unwrap().autostart);
    let change = NetworkUpdate {
        command: UpdateCommand::AddLast,
        section: UpdateSection::DnsTxt,
        xml: "<txt name='a' value='b'/>".into(),
        parent: None,
        live: false,
        config: true,
    };
    client.update_network("lab", &change).await.unwrap();
    assert!(client.network_xml("lab", XmlOptions { inactive: true }).await.unwrap().contains("<txt"));
    assert!(client.network_ports("lab").await.unwrap().is_empty());
    assert_eq!(refused(client.network_leases("nobody").await), ErrorCode::NotFound);
    assert_eq!(refused(client.start_network("nobody").await), ErrorCode::NotFound);
    assert_eq!(refused(client.destroy_network("lab").await), ErrorCode::WrongState);
    client.undefine_network("lab").await.unwrap();
    assert_eq!(refused(client.network_info("lab").await), ErrorCode::NotFound);
}

const INTERFACE: &str = "<interface type='ethernet' name='eth77'/>";

#[tokio::test]
async fn interfaces_are_defined_and_changed() {
    let host = Host::serve();
    let client = &host.client;
    let defined = client.define_interface(INTERFACE, TakeHostInterface::default()).await.unwrap().interface;
    assert_eq!((defined.name.as_str(), defined.active, defined.defined), ("eth77", false, true));
    let mine = HostInterfaceFilter { active: Some(false), defined: Some(true) };
    assert_eq!(client.list_interfaces(&mine).await.unwrap(), std::slice::from_ref(&defined));
    assert_eq!(client.interface_info("eth77").await.unwrap(), defined);
    let xml = client.interface_xml("eth77", XmlOptions::default()).await.unwrap();
    let edited = xml.replace("/>", "><mtu size='1400'/></interface>");
    let options = EditOptions { strict: false, expected: None };
    client.edit_interface("eth77", &edited, &options).await.unwrap();
    assert!(client.interface_xml("eth77", XmlOptions { inactive: true }).await.unwrap().contains("1400"));
    // It is not there: what would touch the kernel is refused.
    assert_eq!(refused(client.start_interface("eth77").await), ErrorCode::NotFound);
    assert_eq!(refused(client.destroy_interface("eth77").await), ErrorCode::WrongState);
    let wanted = BridgeHostInterface { bridge: "br77".into(), stp: true, delay: 0, start: true };
    assert_eq!(refused(client.bridge_interface("eth77", &wanted).await), ErrorCode::NotFound);
    let wanted = UnbridgeHostInterface { start: true };
    assert_eq!(refused(client.unbridge_interface("eth77", wanted).await), ErrorCode::WrongState);
    let change = client.begin_interfaces(BeginHostChange { timeout: Some(0) }).await.unwrap();
    assert!(change.open && change.seconds_left.is_none());
    assert_eq!(client.interface_change().await.unwrap(), change);
    client.commit_interfaces().await.unwrap();
    assert_eq!(refused(client.roll_back_interfaces().await), ErrorCode::WrongState);
    client.undefine_interface("eth77").await.unwrap();
    assert_eq!(refused(client.interface_info("eth77").await), ErrorCode::NotFound);
}

#[tokio::test]
async fn filters_are_defined_and_removed() {
    let host = Host::serve();
    let client = &host.client;
    let defined = client.define_filter(FILTER, TakeFilter::default()).await.unwrap().filter;
    assert_eq!(client.list_filters().await.unwrap(), [defined]);
    assert!(client.filter_xml("web").await.unwrap().contains("priority='500'"));
    let wrong = FILTER.replace("500", "5000");
    assert_eq!(refused(client.define_filter(&wrong, TakeFilter::default()).await), ErrorCode::Invalid);
    client.undefine_filter("web").await.unwrap();
    assert_eq!(refused(client.undefine_filter("web").await), ErrorCode::NotFound);
}

#[tokio::test]
async fn secrets_are_defined_and_their_values_kept() {
    let host = Host::serve();
    let client = &host.client;
    let document = "<secret><usage type='tls'><name>web/key</name></usage></secret>";
    let defined = client.define_secret(document, TakeSecret::default()).await.unwrap().secret;
    assert_eq!(client.list_secrets().await.unwrap(), std::slice::from_ref(&defined));
    assert!(client.secret_xml("web/key").await.unwrap().contains(&defined.uuid.to_string()));
    assert_eq!(refused(client.secret_value("web/key").await), ErrorCode::WrongState);
    let value = SecretValue::new((0..=255).collect()).unwrap();
    client.set_secret_value("web/key", &value).await.unwrap();
    assert_eq!(client.secret_value(&defined.uuid.to_string()).await.unwrap(), value);
    let wrong = document.replace("tls", "tsl");
    assert_eq!(refused(client.define_secret(&wrong, TakeSecret::default()).await), ErrorCode::Invalid);
    client.undefine_secret("web/key").await.unwrap();
    assert_eq!(refused(client.undefine_secret("web/key").await), ErrorCode::NotFound);
}
