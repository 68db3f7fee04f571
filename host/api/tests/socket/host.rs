//! A host that is served: real verbs, store and bus, simulated domains, a machine made of constants.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use reeve_actions::{
    Access, Actions, BusSink, Deps, Networking, NoFaults, NoPolicy, NodePort, StoreKeeper, Storing,
};
use reeve_api::{Api, Metrics};
use reeve_client::Client;
use reeve_domain::sim::SimDriver;
use reeve_domain::{Domains, DomainsConfig};
use reeve_events::Bus;
use reeve_model::node::{
    KsmChange, KsmState, NodeCell, NodeCpuTime, NodeCpus, NodeInfo, NodeMemory, NodeSuspend,
};
use reeve_model::node_device::{NodeCapability, NodeDevice};
use reeve_model::{CpuSet, Error, ErrorCode};
use reeve_store::Store;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Events the bus of the test keeps.
pub const KEPT: usize = 8;

pub struct Host {
    pub client: Client,
    pub stop: CancellationToken,
    pub server: JoinHandle<std::io::Result<()>>,
    pub socket: PathBuf,
    _directory: TempDir,
}

impl Host {
    /// A host that serves everybody who may be root here, and can't say what it is.
    pub fn serve() -> Self {
        Self::serve_on(Constant::default())
    }

    /// The same on a machine that can say what it is.
    pub fn serve_known() -> Self {
        Self::serve_on(Constant { is_known: true })
    }

    fn serve_on(machine: Constant) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let bus = Bus::new(KEPT);
        let domains = Domains::new(DomainsConfig {
            drivers: vec![Arc::new(SimDriver::new(1))],
            sink: Arc::new(BusSink(bus.clone())),
            keeper: Arc::new(StoreKeeper(store.clone())),
            boot_id: "this boot".into(),
            dumps: std::env::temp_dir(),
        });
        // The user of the test is the daemon's own user.
        let own_uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(directory.path()).unwrap());
        let actions = Arc::new(Actions::new(Deps {
            domains,
            store,
            bus,
            policy: Arc::new(NoPolicy),
            policies: Arc::new(NoPolicy),
            node: Arc::new(machine),
            networking: Arc::new(Networking::kernel(directory.path(), directory.path())),
            storing: Arc::new(Storing::new(directory.path())),
            saves: directory.path().to_owned(),
            access: Access::owner_only(own_uid),
            faults: Arc::new(NoFaults),
        }));
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let stop = CancellationToken::new();
        let socket = directory.path().join("reeve.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let api = Api { actions, metrics, registry: Arc::new(registry), stop: stop.clone() };
        let server = tokio::spawn(api.serve(listener));
        Self { client: Client::new(&socket), stop, server, socket, _directory: directory }
    }

    /// A request as any HTTP client could send it.
    pub async fn raw(&self, method: &str, target: &str, body: impl Into<Bytes>) -> (StatusCode, String) {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(target).header("host", "reeve");
        let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.into()).unwrap())
    }

    /// Defines a simulated domain.
    pub async fn define(&self, name: &str) {
        self.client.define_domain(&document(name), Default::default()).await.unwrap();
    }
}

/// The document of a simulated domain.
pub fn document(name: &str) -> String {
    format!(
        "<domain type='sim'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64'>hvm</type></os></domain>"
    )
}

/// The code in an error's body.
pub fn code(body: &str) -> ErrorCode {
    serde_json::from_str::<Error>(body).unwrap_or_else(|error| panic!("{error}: {body}")).code
}

/// A machine that never changes, and whose KSM remembers nothing.
#[derive(Default)]
struct Constant {
    /// Whether it can say what it is.
    is_known: bool,
}

impl NodePort for Constant {
    fn info(&self) -> Result<NodeInfo, Error> {
        if !self.is_known {
            return Err(Error::new(ErrorCode::Internal, "the machine is on fire"));
        }
        Ok(NodeInfo {
            hostname: "here".to_owned(),
            arch: "x86_64".to_owned(),
            cpu_model: "constant".to_owned(),
            cpus: 1,
            mhz: 1000,
            sockets: 1,
            cores_per_socket: 1,
            threads_per_core: 1,
            numa_cells: 1,
            memory: reeve_model::Bytes::gib(1),
            kvm: false,
        })
    }

    fn memory(&self) -> Result<NodeMemory, Error> {
        Err(Error::new(ErrorCode::Deadline, "the machine does not answer"))
    }

    fn cpus(&self) -> Result<NodeCpus, Error> {
        let cpu = || CpuSet::new([0]).unwrap();
        Ok(NodeCpus { present: cpu(), online: cpu() })
    }

    fn cpu_time(&self, cpu: Option<u32>) -> Result<Option<NodeCpuTime>, Error> {
        let time = NodeCpuTime { user_ns: 10, system_ns: 5, idle_ns: 80, iowait_ns: 5 };
        Ok(Some(time).filter(|_| cpu.is_none_or(|cpu| cpu == 0)))
    }

    fn cells(&self) -> Result<Vec<NodeCell>, Error> {
        let (memory, free) = (reeve_model::Bytes::gib(1), reeve_model::Bytes::mib(100));
        Ok(vec![NodeCell { cell: 0, cpus: CpuSet::new([0]), memory, free }])
    }

    fn devices(&self) -> Result<Vec<NodeDevice>, Error> {
        let capability = NodeCapability::Usb { number: 0, class: 8, subclass: 6, protocol: 80 };
        let (name, parent) = ("usb_1_1_1_0".to_owned(), Some("computer".to_owned()));
        Ok(vec![NodeDevice { name, path: None, parent, driver: None, capability }])
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        self.set_ksm(KsmChange::default())
    }

    fn sleep(&self, wanted: NodeSuspend) -> Result<(), Error> {
        Err(Error::new(ErrorCode::Unsupported, format!("this host does not sleep ({})", wanted.target)))
    }

    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error> {
        Ok(KsmState {
            run: change.run.unwrap_or(0),
            pages_to_scan: change.pages_to_scan.unwrap_or(100),
            sleep_millisecs: change.sleep_millisecs.unwrap_or(20),
            merge_across_nodes: change.merge_across_nodes,
            pages_shared: 0,
            pages_sharing: 0,
            pages_unshared: 0,
            pages_volatile: 0,
            full_scans: 0,
        })
    }
}
