//! The header in front of every packet (virtio 1.2, 5.10.6), and what the two sides may say.

/// Bytes of the header.
pub(super) const HEADER: usize = 44;
/// Longest payload that either side puts into one packet.
pub(super) const MAX_PAYLOAD: u32 = 64 << 10;
/// Bytes of the guest that may wait for a program of the host: the credit of each connection.
pub(super) const BUFFER: u32 = 64 << 10;
/// The address of the host.
pub(super) const HOST: u64 = 2;

const STREAM: u16 = 1;

/// Flags of [`Op::Shutdown`].
pub(super) const NO_RECEIVE: u32 = 1;
pub(super) const NO_SEND: u32 = 2;

/// What a packet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Connects.
    Request,
    /// Accepts.
    Response,
    /// Ends a connection at once, or refuses it.
    Reset,
    /// Ends one or both directions.
    Shutdown,
    /// Carries bytes.
    Data,
    /// Says how much room there is.
    Credit,
    /// Asks for that.
    AskCredit,
}

impl Op {
    const ALL: [(u16, Self); 7] = [
        (1, Self::Request),
        (2, Self::Response),
        (3, Self::Reset),
        (4, Self::Shutdown),
        (5, Self::Data),
        (6, Self::Credit),
        (7, Self::AskCredit),
    ];

    fn number(self) -> u16 {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or(0, |(number, _)| *number)
    }
}

/// A port of the host and one of the guest: what a connection is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ports {
    pub host: u32,
    pub guest: u32,
}

/// A packet of the guest, as far as its header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incoming {
    pub ports: Ports,
    pub length: u32,
    /// None for what is no stream or has no meaning: it is answered with a reset.
    pub op: Option<Op>,
    pub flags: u32,
    pub credit: Credit,
}

/// Room of one side's buffer: its size, and bytes that were taken out of it since the connection began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Credit {
    pub size: u32,
    pub taken: u32,
}

fn u16_at(bytes: &[u8; HEADER], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Incoming {
    /// What a guest with this address says; None when it does not speak for itself or not to the host, which nobody answers.
    pub(super) fn parse(bytes: &[u8; HEADER], guest: u64) -> Option<Self> {
        if u64_at(bytes, 0) != guest || u64_at(bytes, 8) != HOST {
            return None;
        }
        let number = u16_at(bytes, 30);
        let op = Op::ALL.into_iter().find(|(known, _)| *known == number).map(|(_, op)| op);
        Some(Self {
            ports: Ports { guest: u32_at(bytes, 16), host: u32_at(bytes, 20) },
            length: u32_at(bytes, 24),
            op: op.filter(|_| u16_at(bytes, 28) == STREAM),
            flags: u32_at(bytes, 32),
            credit: Credit { size: u32_at(bytes, 36), taken: u32_at(bytes, 40) },
        })
    }
}

/// A packet to the guest with this address.
pub(super) fn header(
    guest: u64,
    ports: Ports,
    op: Op,
    length: u32,
    flags: u32,
    credit: Credit,
) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&HOST.to_le_bytes());
    bytes[8..16].copy_from_slice(&guest.to_le_bytes());
    bytes[16..20].copy_from_slice(&ports.host.to_le_bytes());
    bytes[20..24].copy_from_slice(&ports.guest.to_le_bytes());
    bytes[24..28].copy_from_slice(&length.to_le_bytes());
    bytes[28..30].copy_from_slice(&STREAM.to_le_bytes());
    bytes[30..32].copy_from_slice(&op.number().to_le_bytes());
    bytes[32..36].copy_from_slice(&flags.to_le_bytes());
    bytes[36..40].copy_from_slice(&credit.size.to_le_bytes());
    bytes[40..].copy_from_slice(&credit.taken.to_le_bytes());
    bytes
}
