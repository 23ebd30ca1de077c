//! `X-Amzn-Trace-Id`: the name under which a request is known to everybody who carries it.
//!
//! Source: Application Load Balancers User Guide, "Request tracing for your Application Load
//! Balancer".

/// A part of a trace that nobody else has: `1-<seconds, 8 digits>-<24 digits>`.
pub(crate) struct Fresh([u8; 35]);

impl Fresh {
    /// `seconds` are those since 1970; of the second random number the lower half is used.
    pub(crate) fn new(seconds: i64, [first, second]: [u64; 2]) -> Self {
        let mut text = *b"1-00000000-000000000000000000000000";
        #[allow(clippy::cast_sign_loss, reason = "their lower half is written, as it is")]
        let parts = [(2..10, seconds as u64), (11..27, first), (27..35, second)];
        for (place, number) in parts {
            write_hexadecimal(text.get_mut(place).unwrap_or_default(), number);
        }
        Self(text)
    }

    fn text(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Fills the place with the last digits of a number.
fn write_hexadecimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        let value = number & 0xf;
        *digit = b"0123456789abcdef".get(value as usize).copied().unwrap_or(b'0');
        number >>= 4;
    }
}

/// The trace of a request: what came, with a part of ours.
pub(crate) fn trace(came: Option<&str>, fresh: &Fresh) -> String {
    let fresh = fresh.text();
    let mut trace = String::with_capacity(fresh.len() + came.map_or(0, str::len) + "Root=;".len());
    let Some(came) = came.filter(|it| has_part(it, "Root") || has_part(it, "Self")) else {
        trace.push_str("Root=");
        trace.push_str(fresh);
        if let Some(came) = came {
            trace.push(';');
            trace.push_str(came);
        }
        return trace;
    };
    trace.push_str("Self=");
    trace.push_str(fresh);
    let others = came.split(';').map(str::trim).filter(|it| !it.starts_with("Self="));
    for part in others.filter(|it| !it.is_empty()) {
        trace.push(';');
        trace.push_str(part);
    }
    trace
}

fn has_part(trace: &str, name: &str) -> bool {
    trace.split(';').any(|it| it.trim().strip_prefix(name).is_some_and(|it| it.starts_with('=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_part_is_time_and_chance() {
        let fresh = Fresh::new(0x6553_f100, [0x0123_4567_89ab_cdef, 0xfedc_ba98]);
        assert_eq!(trace(None, &fresh), "Root=1-6553f100-0123456789abcdeffedcba98");
    }

    #[test]
    fn a_trace_keeps_what_came_and_gets_our_part() {
        let ours = "1-00000001-000000000000000000000000";
        for (came, expected) in [
            (None, format!("Root={ours}")),
            (Some("Root=1-a-b"), format!("Self={ours};Root=1-a-b")),
            (Some("Root=1-a-b;CalledFrom=app"), format!("Self={ours};Root=1-a-b;CalledFrom=app")),
            (Some("Self=1-c-d;Root=1-a-b"), format!("Self={ours};Root=1-a-b")),
            (Some("CalledFrom=app"), format!("Root={ours};CalledFrom=app")),
        ] {
            assert_eq!(trace(came, &Fresh::new(1, [0, 0])), expected);
        }
    }
}
