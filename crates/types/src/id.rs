//! Identifiers, each a type of its own so that one cannot be taken for another.

use core::fmt;
use std::sync::Arc;

use minicbor::{Decode, Encode};

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    /// The kind that was wanted, in words of the API.
    pub kind: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.kind)
    }
}

impl core::error::Error for IdError {}

/// A name made of text; cloning is cheap.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Reads a name; [`IdError`] if it breaks the rule of its kind.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(IdError { kind: $kind }) }
            }

            /// The name itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl core::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<C> Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                Self::parse(d.str()?).map_err(|e| minicbor::decode::Error::message(e.kind))
            }
        }
    };
}

fn word(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

name!(
    /// Name of a cluster: 1 to 255 letters, digits, `-` and `_`.
    ClusterName, "cluster name", |it| word(it, 255)
);
name!(
    /// Family of a task definition: 1 to 255 letters, digits, `-` and `_`.
    Family, "task definition family", |it| word(it, 255)
);
name!(
    /// Name of a container within its task: 1 to 255 letters, digits, `-` and `_`.
    ContainerName, "container name", |it| word(it, 255)
);
name!(
    /// Name of a service: 1 to 255 letters, digits, `-` and `_`.
    ServiceName, "service name", |it| word(it, 255)
);
name!(
    /// A task group, such as `family:web`: what spreading counts. At most 512 bytes, so that the
    /// default group of the longest family fits.
    Group, "task group", |it| !it.is_empty() && it.len() <= 512
);
name!(
    /// An AWS account: twelve digits.
    AccountId, "account id", |it| it.len() == 12 && it.bytes().all(|b| b.is_ascii_digit())
);
name!(
    /// Name of a region, such as `us-east-1`.
    Region, "region", |it| word(it, 64)
);
name!(
    /// Name of an availability zone, such as `us-east-1a`.
    Zone, "availability zone", |it| word(it, 64)
);

/// An identifier of 128 random bits, shown as 32 lower-case hexadecimal digits.
macro_rules! random_id {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(u128);

        impl $type {
            /// Makes the identifier of these random bits.
            pub fn new(bits: u128) -> Self {
                Self(bits)
            }

            /// Reads 32 hexadecimal digits, with or without the dashes of a UUID.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let error = IdError { kind: $kind };
                let mut bits: u128 = 0;
                let mut digits = 0;
                for byte in text.bytes().filter(|b| *b != b'-') {
                    let digit = char::from(byte).to_digit(16).ok_or(error.clone())?;
                    digits += 1;
                    if digits > 32 {
                        return Err(error);
                    }
                    bits = bits << 4 | u128::from(digit);
                }
                if digits == 32 { Ok(Self(bits)) } else { Err(error) }
            }

            /// The 128 bits.
            pub fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl<C> Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0.to_be_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let bytes: [u8; 16] = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| minicbor::decode::Error::message($kind))?;
                Ok(Self(u128::from_be_bytes(bytes)))
            }
        }
    };
}

random_id!(
    /// A task.
    TaskId, "task id"
);
random_id!(
    /// A container instance.
    InstanceId, "container instance id"
);

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Sixteen bytes as a UUID shows them: `00010203-0405-0607-0809-0a0b0c0d0e0f`.
pub fn uuid(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let group = |range| digits.get(range).unwrap_or_default();
    [group(0..8), group(8..12), group(12..16), group(16..20), group(20..32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_is_32_hexadecimal_digits() {
        let id = TaskId::new(0xabc);
        assert_eq!(id.to_string(), "00000000000000000000000000000abc");
        assert_eq!(TaskId::parse(&id.to_string()), Ok(id));
        assert_eq!(TaskId::parse("00000000-0000-0000-0000-000000000abc"), Ok(id));
        for bad in
            ["", "abc", "000000000000000000000000000000000abc", "zz000000000000000000000000000abc"]
        {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_keep_to_their_rule() {
        assert!(ClusterName::parse("my_cluster-1").is_ok());
        for bad in ["", "a b", "é", &"x".repeat(256)] {
            assert!(ClusterName::parse(bad).is_err(), "{bad}");
        }
        assert!(AccountId::parse("123456789012").is_ok());
        assert!(AccountId::parse("12345678901").is_err());
    }

    #[test]
    fn identifiers_survive_their_stored_form() {
        let bytes = minicbor::to_vec(TaskId::new(7)).expect("memory");
        assert_eq!(minicbor::decode::<TaskId>(&bytes).expect("decodes"), TaskId::new(7));
        let bytes = minicbor::to_vec(Family::parse("web").expect("valid")).expect("memory");
        assert_eq!(minicbor::decode::<Family>(&bytes).expect("decodes").as_str(), "web");
    }
}
