//! Units of the things a task asks for.

use minicbor::{Decode, Encode};

/// CPU units: 1,024 are one vCPU (the unit of every ECS `cpu` field).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Cpu(#[n(0)] pub u32);

/// Memory in mebibytes (2^20 bytes), the unit of every ECS memory field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct MemoryMib(#[n(0)] pub u32);

/// Transport protocol of a port; ECS keeps the two port spaces apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Protocol {
    /// `tcp`, the default.
    #[n(0)]
    Tcp,
    /// `udp`.
    #[n(1)]
    Udp,
}

impl Protocol {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Reads the API's spelling. Unknown words behave as `tcp` (handbook 3.4).
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("udp") { Self::Udp } else { Self::Tcp }
    }
}

/// One port of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Port {
    /// Which port space.
    #[n(0)]
    pub protocol: Protocol,
    /// 1 to 65535.
    #[n(1)]
    pub number: u16,
}

impl Port {
    /// A TCP port.
    pub fn tcp(number: u16) -> Self {
        Self { protocol: Protocol::Tcp, number }
    }

    /// A UDP port.
    pub fn udp(number: u16) -> Self {
        Self { protocol: Protocol::Udp, number }
    }
}
