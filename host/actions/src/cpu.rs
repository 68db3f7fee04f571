//! CPU models of the host (guide 14.16).

use reeve_model::domain::CpuConfig;
use reeve_model::node::{CpuComparison, CpuModel};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_node::cpu::{self, CpuError, HostCpu};

use crate::Actions;

impl Actions {
    /// Models that a document may name, and whether this host has all of each.
    pub fn cpu_models(&self, actor: &Actor) -> Result<Vec<CpuModel>, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        let host = HostCpu::read(reeve_sys::cpuid::read);
        let models = cpu::models().iter().map(|model| {
            let missing: Vec<String> =
                model.features.names_beyond(&host.features).into_iter().map(str::to_owned).collect();
            let vendor = model.vendor.map(str::to_owned);
            CpuModel { name: model.name.to_owned(), vendor, usable: missing.is_empty(), missing }
        });
        Ok(models.collect())
    }

    /// How the first CPU of a text stands to that of the host.
    pub fn compare_cpu(&self, actor: &Actor, xml: &str) -> Result<CpuComparison, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        let cpus = read(xml)?;
        let first = cpus.first().ok_or(CpuError::Nothing).map_err(invalid)?;
        HostCpu::read(reeve_sys::cpuid::read).compare(first).map_err(invalid)
    }

    /// The CPU that all CPUs of a text can be, as a document.
    pub fn baseline_cpu(&self, actor: &Actor, xml: &str) -> Result<String, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        let found = cpu::baseline(&read(xml)?).map_err(invalid)?;
        Ok(reeve_xml::cpu::format(&found))
    }
}

fn read(xml: &str) -> Result<Vec<CpuConfig>, Error> {
    reeve_xml::cpu::parse_all(xml).map_err(|error| Error::new(ErrorCode::Invalid, error.to_string()))
}

fn invalid(error: CpuError) -> Error {
    Error::new(ErrorCode::Invalid, error.to_string())
}
