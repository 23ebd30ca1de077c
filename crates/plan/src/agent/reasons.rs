//! The reasons that users read when a container or task ends.

use super::input::{Failure, FailureClass};

/// Longest reason that the control plane takes (handbook 2.4), in characters.
const REASON_MAX: usize = 1024;

/// `Class: text`, cut to what the control plane takes.
pub(super) fn reason(class: FailureClass, text: &str) -> String {
    cut(&format!("{}: {text}", class.as_str()))
}

/// The reason of a failed step.
pub(super) fn of(failure: &Failure) -> String {
    reason(failure.class, &failure.text)
}

/// The text, cut to what the control plane takes.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(REASON_MAX).collect()
}

/// A container that the kernel killed for want of memory.
pub(super) fn out_of_memory() -> String {
    reason(FailureClass::OutOfMemory, "Container killed due to memory usage")
}

/// The chain of an error in one line.
pub(super) fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    cut(&text)
}
