//! CPU, memory and block I/O of domains.

use hyper::Method;
use reeve_model::tuning::{CpuStats, TuneOptions, Tuning, VcpuInfo};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// What a domain is tuned to: by its host while it runs, else by its definition.
    pub async fn domain_tuning(&self, domain: &str, options: TuneOptions) -> Result<Tuning, ClientError> {
        let target = Target::new(&["domains", domain, "tuning"]).with_fields(&options);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Changes what a domain is tuned to; what is left out stays as it is.
    pub async fn tune_domain(
        &self,
        domain: &str,
        change: &Tuning,
        options: TuneOptions,
    ) -> Result<Tuning, ClientError> {
        let target = Target::new(&["domains", domain, "tuning"]).with_fields(&options);
        self.call(Method::PATCH, target, Payload::json(change)?).await
    }

    /// vCPUs of a running domain by number.
    pub async fn domain_vcpus(&self, domain: &str) -> Result<Vec<VcpuInfo>, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "vcpus"]), Payload::Empty).await
    }

    /// CPU time of a running domain by host CPU.
    pub async fn domain_cpu_stats(&self, domain: &str) -> Result<CpuStats, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "cpu-stats"]), Payload::Empty).await
    }
}
