//! `reeve domain domiftune` (guide 14.5.9).

use clap::Args;
use reeve_model::domain_interface::SetBandwidth;
use reeve_model::network::{Bandwidth, RateLimit};
use serde::Serialize;

use super::interface::{InterfaceScope, Named};
use crate::context::Context;
use crate::output::{Show, pairs};

/// Options of `reeve domain domiftune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --inbound and --outbound the limits are shown. average, peak and floor are KiB a second, burst is KiB; what follows a comma
may be left out, as in 1000,,512. An average of 0 takes the limit of its direction away. A floor is promised by a network that has an
inbound limit itself.

Examples:
  reeve domain domiftune web vnet0
  reeve domain domiftune web vnet0 --inbound 1000,2000,512 --outbound 500 --live --config")]
pub struct Domiftune {
    #[command(flatten)]
    interface: Named,
    /// Limit what the guest receives
    #[arg(long, value_name = "AVERAGE[,PEAK[,BURST[,FLOOR]]]", value_parser = inbound)]
    inbound: Option<RateLimit>,
    /// Limit what the guest sends
    #[arg(long, value_name = "AVERAGE[,PEAK[,BURST]]", value_parser = outbound)]
    outbound: Option<RateLimit>,
    #[command(flatten)]
    scope: InterfaceScope,
}

impl Domiftune {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        if (self.inbound, self.outbound) == (None, None) {
            let interface = self.interface.find(context, self.scope.is_config()).await?;
            return context.show(&Limits(interface.bandwidth));
        }
        let limits = SetBandwidth { inbound: self.inbound, outbound: self.outbound };
        let Named { target, interface } = &self.interface;
        let options = self.scope.options();
        let set = context.client.set_interface_bandwidth(&target.domain, interface, limits, options).await?;
        context.show(&Limits(set.bandwidth))
    }
}

pub(super) fn inbound(text: &str) -> Result<RateLimit, String> {
    limit(text, 4)
}

pub(super) fn outbound(text: &str) -> Result<RateLimit, String> {
    limit(text, 3)
}

fn limit(text: &str, most: usize) -> Result<RateLimit, String> {
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > most {
        let words = ["average", "peak", "burst", "floor"];
        return Err(format!("there are more than {most} numbers: write {}", words[..most].join(",")));
    }
    let number = |at: usize| match parts.get(at).map(|part| part.trim()) {
        None | Some("") => Ok(None),
        Some(part) => match part.parse::<u64>() {
            Ok(number) => Ok(Some(number).filter(|number| at == 0 || *number > 0)),
            Err(_) => Err(format!("'{part}' is no whole number of KiB")),
        },
    };
    let average_kib = number(0)?.ok_or("the average is missing: write a number, or 0 for no limit")?;
    Ok(RateLimit { average_kib, peak_kib: number(1)?, burst_kib: number(2)?, floor_kib: number(3)? })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Limits(Bandwidth);

impl Show for Limits {
    const ELEMENT: &'static str = "bandwidth";

    fn human(&self) -> String {
        let Bandwidth { inbound, outbound } = self.0;
        let (inbound, outbound) = (inbound.unwrap_or_default(), outbound.unwrap_or_default());
        let number = |value: Option<u64>| value.unwrap_or(0).to_string();
        pairs([
            ("inbound.average", inbound.average_kib.to_string()),
            ("inbound.peak", number(inbound.peak_kib)),
            ("inbound.burst", number(inbound.burst_kib)),
            ("inbound.floor", number(inbound.floor_kib)),
            ("outbound.average", outbound.average_kib.to_string()),
            ("outbound.peak", number(outbound.peak_kib)),
            ("outbound.burst", number(outbound.burst_kib)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn limits_are_shown_in_pairs() {
        let inbound = Some(RateLimit {
            average_kib: 1000,
            peak_kib: Some(2000),
            burst_kib: Some(512),
            floor_kib: Some(200),
        });
        insta::assert_snapshot!(Format::Table.draw(&Limits(Bandwidth { inbound, outbound: None })).unwrap());
    }

    #[test]
    fn numbers_are_separated_by_commas() {
        let whole = RateLimit { average_kib: 1, peak_kib: Some(2), burst_kib: Some(3), floor_kib: Some(4) };
        assert_eq!(inbound("1,2,3,4"), Ok(whole));
        assert_eq!(outbound("1,2,3"), Ok(RateLimit { floor_kib: None, ..whole }));
        assert_eq!(inbound("1,,3"), Ok(RateLimit { peak_kib: None, floor_kib: None, ..whole }));
        assert_eq!(inbound("0"), Ok(RateLimit::default()));
        assert_eq!(inbound("0,0,0,0"), Ok(RateLimit::default()));
        assert!(outbound("1,2,3,4").unwrap_err().contains("average,peak,burst"));
        assert!(inbound(",2").unwrap_err().contains("average is missing"));
        assert!(inbound("1M").unwrap_err().contains("'1M'") && inbound("-1").is_err());
    }
}
