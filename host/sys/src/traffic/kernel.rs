//! Shaping by the kernel.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Floor, Rate, Shape, Traffic, TrafficError, read, script};
use crate::link::{Change, KernelLinks, Link, LinkError, LinkName, Links, NewLink};
use crate::process::Run;

/// How long tc may take; a class is some microseconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Intermediate links are called so with the index of the link they serve.
const PREFIX: &str = "rvifb";

/// The shaping of the calling thread's network namespace.
#[derive(Debug, Clone)]
pub struct KernelTraffic {
    program: PathBuf,
    links: KernelLinks,
}

impl Default for KernelTraffic {
    /// With tc where distributions install it.
    fn default() -> Self {
        Self::at("/usr/sbin/tc")
    }
}

impl KernelTraffic {
    /// With another program that is like tc.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), links: KernelLinks }
    }

    /// Replaces the limits of a link. `inbound` writes those of that direction. When something fails, the link has no limits at all.
    fn replace(
        &self,
        name: &LinkName,
        inbound: impl FnOnce(&mut String),
        outbound: Option<Rate>,
    ) -> Result<(), TrafficError> {
        let link = self.link(name)?;
        self.remove(&link)?;
        let mut lines = String::new();
        inbound(&mut lines);
        let made = match outbound {
            Some(rate) => self.intermediate(&link).map(|intermediate| {
                script::single(&mut lines, &intermediate, rate);
                script::redirect(&mut lines, name, &intermediate);
            }),
            None => Ok(()),
        };
        let done = made.and_then(|()| self.tell(name, "limited", &lines));
        if done.is_err() {
            // What was said first counts; the rest is cleaned up as far as possible.
            let _ = self.remove(&link);
        }
        done
    }

    /// Makes the link that carries what arrives by another.
    fn intermediate(&self, link: &Link) -> Result<LinkName, TrafficError> {
        let name = intermediate_name(link.index);
        self.links.create(&name, &NewLink::Ifb)?;
        let alias = Change::Alias(format!("paces what arrives by {}", link.name));
        self.links.change(&name, &alias)?;
        self.links.change(&name, &Change::Up)?;
        Ok(name)
    }

    fn remove(&self, link: &Link) -> Result<(), TrafficError> {
        let mut lines = String::new();
        for qdisc in read::qdiscs(link.index).map_err(|source| unreadable(&link.name, source))? {
            match (qdisc.kind.as_str(), qdisc.root) {
                ("ingress", _) => script::remove(&mut lines, &link.name, "ingress"),
                ("htb", true) if qdisc.handle == read::OURS => {
                    script::remove(&mut lines, &link.name, "root");
                }
                // What the kernel gives a link by itself has no handle.
                (kind, true) if qdisc.handle.major != 0 => {
                    let message = format!("it has a queue discipline '{kind}' of somebody else");
                    let link = link.name.clone();
                    return Err(TrafficError::Refused { link, step: "limited", message });
                }
                _ => {}
            }
        }
        self.tell(&link.name, "freed of limits", &lines)?;
        match self.links.delete(&intermediate_name(link.index)) {
            Ok(()) | Err(LinkError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn tell(&self, link: &LinkName, step: &'static str, lines: &str) -> Result<(), TrafficError> {
        if lines.is_empty() {
            return Ok(());
        }
        let args = vec![OsStr::new("-batch"), OsStr::new("-")];
        let run = Run {
            path: &self.program,
            args,
            input: lines.as_bytes(),
            deadline: DEADLINE,
            output_limit: 64 << 10,
        };
        let finished = run.finish()?;
        if finished.succeeded() {
            return Ok(());
        }
        Err(TrafficError::Refused { link: link.clone(), step, message: finished.first_line() })
    }

    fn link(&self, name: &LinkName) -> Result<Link, TrafficError> {
        Ok(self.links.find(name)?.ok_or_else(|| LinkError::Missing { name: name.clone() })?)
    }
}

impl Traffic for KernelTraffic {
    fn set(&self, link: &LinkName, shape: &Shape) -> Result<(), TrafficError> {
        script::check(link, shape, &[])?;
        let inbound = |lines: &mut String| {
            if let Some(rate) = shape.inbound {
                script::single(lines, link, rate);
            }
        };
        self.replace(link, inbound, shape.outbound)
    }

    fn set_bridge(&self, bridge: &LinkName, shape: &Shape, floors: &[Floor]) -> Result<(), TrafficError> {
        script::check(bridge, shape, floors)?;
        let inbound = |lines: &mut String| {
            if let Some(rate) = shape.inbound {
                script::shared(lines, bridge, rate, floors);
            }
        };
        self.replace(bridge, inbound, shape.outbound)
    }

    fn clear(&self, link: &LinkName) -> Result<(), TrafficError> {
        self.remove(&self.link(link)?)
    }

    fn read(&self, link: &LinkName) -> Result<Shape, TrafficError> {
        let found = self.link(link)?;
        let rate = |index| read::rate(index).map_err(|source| unreadable(link, source));
        let intermediate = self.links.find(&intermediate_name(found.index))?;
        Ok(Shape {
            inbound: rate(found.index)?,
            outbound: match intermediate {
                Some(intermediate) => rate(intermediate.index)?,
                None => None,
            },
        })
    }

    fn sweep(&self) -> Result<usize, TrafficError> {
        let links = self.links.list()?;
        let mut gone = 0;
        for link in &links {
            let served = link.name.as_str().strip_prefix(PREFIX).and_then(|index| index.parse::<u32>().ok());
            let orphan = |index| !links.iter().any(|link| link.index == index);
            if link.kind.as_deref() == Some("ifb") && served.is_some_and(orphan) {
                self.links.delete(&link.name)?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

fn intermediate_name(index: u32) -> LinkName {
    LinkName::new(format!("{PREFIX}{index}")).expect("five letters and ten digits are a name")
}

fn unreadable(link: &LinkName, source: crate::link::KernelError) -> TrafficError {
    LinkError::Refused { name: link.clone(), step: "asked for its limits".to_owned(), source }.into()
}
