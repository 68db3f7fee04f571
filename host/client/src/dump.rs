//! Dumping the memory of domains.

use hyper::Method;
use reeve_model::domain_dump::DumpFile;
use reeve_model::stats::DomainSummary;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Writes the memory and the vCPUs of a domain to a file as an ELF core.
    pub async fn dump_domain(&self, domain: &str, file: &DumpFile) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "dump"]).with_fields(file);
        self.call(Method::POST, target, Payload::Empty).await
    }
}
