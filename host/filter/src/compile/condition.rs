//! One condition as text.

use reeve_model::filter::{ConnectionState, Field, Match, Operand};

use super::marks;
use super::set::Width;
use crate::check::bounds;
use crate::field::{self, Base, Carrier, Place};

/// The table that a condition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `bridge reeve`: frames as they are.
    Bridge,
    /// `inet reeve-filter`: packets that a bridge or the host's stack shows there; what they are is known, their frame may be gone.
    Inet,
}

/// The conditions of a rule, joined by "and".
#[derive(Debug)]
pub struct Conditions {
    table: Table,
    parts: Vec<String>,
    /// Alternatives for the end of the rule; the rule is written once for each.
    pub alternatives: Vec<String>,
}

impl Conditions {
    /// None yet.
    pub fn new(table: Table) -> Self {
        Self { table, parts: Vec::new(), alternatives: Vec::new() }
    }

    /// All of them, as lines of which one has to match.
    pub fn lines(self) -> Vec<String> {
        let common = self.parts.join(" ");
        if self.alternatives.is_empty() {
            return vec![common];
        }
        self.alternatives.iter().map(|other| format!("{common} {other}")).collect()
    }

    /// Adds a text unless it is there.
    pub fn push(&mut self, text: String) {
        if !self.parts.contains(&text) {
            self.parts.push(text);
        }
    }

    fn has(&self, text: &str) -> bool {
        self.parts.iter().any(|part| part == text)
    }

    /// Adds what makes a packet one that has a field.
    pub fn carry(&mut self, carrier: Carrier) {
        match carrier {
            Carrier::Frame | Carrier::Ports => {}
            Carrier::Vlan => self.push(self.ether_type(0x8100)),
            Carrier::Arp | Carrier::ArpEthernet => {
                if !self.has(&self.ether_type(0x0806)) && !self.has(&self.ether_type(0x8035)) {
                    self.push("@ll,96,16 { 0x0806, 0x8035 }".to_owned());
                }
                if carrier == Carrier::ArpEthernet {
                    // Both addresses as long as Ethernet's and IPv4's; fields lie elsewhere otherwise.
                    self.push("@nh,32,16 0x0604".to_owned());
                }
            }
            Carrier::Ipv4 => self.push(self.ether_type(0x0800)),
            Carrier::Ipv6 => self.push(self.ether_type(0x86dd)),
            Carrier::Icmp => self.icmp(Field::IpProtocol, 1),
            Carrier::Icmp6 => self.icmp(Field::Ip6Protocol, 58),
            Carrier::Tcp => {
                let known = |field| self.has(&protocol(field, 6));
                if !known(Field::IpProtocol) && !known(Field::Ip6Protocol) {
                    if self.table == Table::Bridge {
                        self.push("@ll,96,16 { 0x0800, 0x86dd }".to_owned());
                    }
                    self.push(protocol(Field::Ip6Protocol, 6));
                }
            }
            Carrier::Stp | Carrier::StpConfig => {
                for part in ["@ll,0,48 0x0180c2000000", "@ll,96,16 < 0x0600", "@ll,112,24 0x424203"] {
                    self.push(part.to_owned());
                }
                if carrier == Carrier::StpConfig {
                    // A notification of a change has none of the fields.
                    self.push("@ll,160,8 < 0x80".to_owned());
                }
            }
        }
    }

    fn icmp(&mut self, field: Field, number: u128) {
        self.carry(field::carrier(field));
        self.push(protocol(field, number));
    }

    /// Packets of this protocol. In a bridge it is that of the frame as it was sent, so that what is inside of a VLAN is not taken for
    /// what it is outside; the inet table sees nothing that has a tag, and what comes from the host has no frame yet.
    fn ether_type(&self, number: u16) -> String {
        match self.table {
            Table::Bridge => format!("@ll,96,16 0x{number:04x}"),
            Table::Inet => format!("meta protocol 0x{number:04x}"),
        }
    }

    /// Adds a condition of the ruleset, with the name of its set or the set itself; false when it can never hold.
    pub fn add(&mut self, one: &Match, set: Option<&str>) -> bool {
        self.carry(field::carrier(one.field));
        let not = if one.negated { "!= " } else { "" };
        match (&one.operand, set) {
            (_, Some(set)) => self.push(format!("{} {not}{set}", self.left(one.field))),
            (Operand::States(states), _) => self.states(states, one.negated),
            (Operand::Number(wanted), _) if one.field == Field::ArpGratuitous => {
                self.gratuitous((*wanted == 1) != one.negated);
            }
            (operand, _) => return self.compare(one.field, one.negated, operand),
        }
        true
    }

    /// What stands left of a comparison: the field, without the bits beside it.
    pub fn left(&self, field: Field) -> String {
        if field == Field::EtherType && self.table == Table::Inet {
            return "meta protocol".to_owned();
        }
        let Some(place) = field::place(field) else { return "meta l4proto".to_owned() };
        let base = match place.base {
            Base::Link => "ll",
            Base::Network => "nh",
            Base::Transport => "th",
        };
        let bytes = format!("@{base},{},{}", place.offset * 8, place.bytes * 8);
        if place.is_part() {
            let mask = ((1_u128 << place.bits) - 1) << place.shift;
            format!("{bytes} & {}", Width::Bytes(place.bytes, 0).value(mask))
        } else {
            bytes
        }
    }

    fn compare(&mut self, field: Field, negated: bool, operand: &Operand) -> bool {
        let (width, left) = (Width::of(field), self.left(field));
        let (value, mask) = match operand {
            Operand::Masked { value, mask } => (u128::from(*value), u128::from(*mask)),
            Operand::MacMasked { value, mask } => {
                let number = |mac| bounds(&Operand::Mac(mac)).map_or(0, |(first, _)| first);
                (number(*value), number(*mask))
            }
            operand => {
                // What was checked has bounds.
                let Some((from, to)) = bounds(operand) else { return false };
                let operator = match (negated, field::place(field).is_some_and(Place::is_part)) {
                    (true, _) => "!= ",
                    (false, true) => "== ",
                    (false, false) => "",
                };
                self.push(format!("{left} {operator}{}", width.range(from, to)));
                return true;
            }
        };
        if mask == 0 {
            // Every value is equal where nothing is compared.
            return !negated;
        }
        let operator = if negated { "!=" } else { "==" };
        // The mask has no bits beside the field, so it takes the place of the field's own.
        let bytes = left.split(" & ").next().unwrap_or(&left);
        self.push(format!("{bytes} & {} {operator} {}", width.value(mask), width.value(value)));
        true
    }

    /// Adds that a connection is in one of these states, or has another.
    pub fn states(&mut self, states: &[ConnectionState], negated: bool) {
        let bits = states.iter().fold(0, |bits, state| bits | marks::state(*state));
        if negated {
            self.push(format!("meta mark & {:#010x} != 0x0", marks::STATE));
            self.push(format!("meta mark & {bits:#010x} == 0x0"));
        } else {
            self.push(format!("meta mark & {bits:#010x} != 0x0"));
        }
    }

    /// Both addresses of ARP are one when each pair of bytes is; they differ when any pair does.
    fn gratuitous(&mut self, wanted: bool) {
        let pair = |byte: u32| format!("@nh,{},8 . @nh,{},8", 112 + byte * 8, 192 + byte * 8);
        if wanted {
            (0..4).for_each(|byte| self.push(format!("{} @{}", pair(byte), super::base::SAME_BYTES)));
        } else {
            let differs = (0..4).map(|byte| format!("{} != @{}", pair(byte), super::base::SAME_BYTES));
            self.alternatives = differs.collect();
        }
    }
}

fn protocol(field: Field, number: u128) -> String {
    let left = Conditions::new(Table::Bridge).left(field);
    format!("{left} {}", Width::of(field).value(number))
}
