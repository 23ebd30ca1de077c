//! Task sizes: CPU and memory as text, in units or in words.
//!
//! Source: API Reference, `RegisterTaskDefinition`; handbook 3.2.

use crate::ecs::Error;

/// CPU units of one vCPU, and MiB of one GB.
const UNITS: u64 = 1024;

/// Sizes of tasks on container instances: 0.125 to 192 vCPU.
const CPU: core::ops::RangeInclusive<u32> = 128..=196_608;

/// Reads `"512"`, `".5 vCPU"` or `"0.5 vcpu"` as CPU units.
///
/// # Errors
///
/// [`Error::Client`] if it is neither, or out of range.
pub(super) fn cpu(text: &str) -> Result<u32, Error> {
    let units = read(text, "vcpu").filter(|it| CPU.contains(it));
    units.ok_or_else(|| invalid("cpu"))
}

/// Reads `"512"`, `"1GB"` or `"0.5 GB"` as MiB.
///
/// # Errors
///
/// [`Error::Client`] if it is neither, or nothing.
pub(super) fn memory(text: &str) -> Result<u32, Error> {
    read(text, "gb").filter(|it| *it > 0).ok_or_else(|| invalid("memory"))
}

fn invalid(what: &str) -> Error {
    Error::client(format!(
        "Invalid '{what}' setting for task. For more information, see the Troubleshooting \
         section of the Amazon ECS Developer Guide."
    ))
}

/// A whole number, or a decimal fraction of 1,024 with its unit behind it.
fn read(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let Some(number) = text.strip_suffix(unit) else { return text.parse().ok() };
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |it: &str| it.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    // At most nine digits behind the point: finer than any unit of ours.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let units = whole.checked_mul(UNITS)?.checked_add(part.checked_mul(UNITS)? / scale)?;
    u32::try_from(units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_units_and_in_words() {
        for (text, units) in [
            ("256", 256),
            ("1 vCPU", 1024),
            ("1vcpu", 1024),
            (".25 vCPU", 256),
            ("0.5 vCPU", 512),
            ("192 vCPU", 196_608),
        ] {
            assert_eq!(cpu(text), Ok(units), "{text}");
        }
        for (text, mib) in [("512", 512), ("1GB", 1024), ("0.5 GB", 512), ("30 gb", 30_720)] {
            assert_eq!(memory(text), Ok(mib), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for bad in [
            "",
            "127",
            "196609",
            "-1",
            "1.5",
            "vCPU",
            ". vCPU",
            "1..5 vCPU",
            "x",
            "99999999999999 vCPU",
        ] {
            assert!(cpu(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "-512", "GB", "1 TB", "99999999999999999999GB"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }
}
