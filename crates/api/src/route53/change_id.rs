//! Changes: everything that was answered is in force, so a change's id says all there is to say.
//!
//! An id holds the time of the change and a checksum, which tells ids of ours from others. No row
//! is kept for it.

use shapes::Timestamp;
use shapes::route53 as shape;
use state::{Context, State};

use super::Error;

/// Digits of the time in milliseconds, of chance, and of the checksum over both.
const TIME_DIGITS: usize = 11;
const CHANCE_DIGITS: usize = 6;
const SUM_DIGITS: usize = 8;

/// `GetChange`.
///
/// # Errors
///
/// [`Error::NoSuchChange`].
pub(super) fn get_change(
    _: &State,
    ask: shape::GetChangeRequest,
    _: &Context<'_>,
) -> Result<shape::GetChangeResponse, Error> {
    let asked = ask.id.unwrap_or_default();
    let id = asked.strip_prefix("/change/").unwrap_or(&asked);
    let submitted = submitted(id).ok_or_else(|| Error::NoSuchChange(id.to_owned()))?;
    Ok(shape::GetChangeResponse { change_info: Some(info(id, submitted, None)) })
}

/// What a write answers about its change. AWS says PENDING first; here it is in force already.
pub(super) fn made(context: &mut Context<'_>, comment: Option<String>) -> shape::ChangeInfo {
    let time = context.now.0.max(0).unsigned_abs();
    let chance = context.dice.below(1 << (4 * CHANCE_DIGITS));
    let head = format!("{time:0TIME_DIGITS$X}{chance:0CHANCE_DIGITS$X}");
    let id = format!("C{head}{:0SUM_DIGITS$X}", checksum(&head));
    info(&id, context.now.0, comment)
}

fn info(id: &str, submitted: i64, comment: Option<String>) -> shape::ChangeInfo {
    shape::ChangeInfo {
        id: Some(format!("/change/{id}")),
        status: Some("INSYNC".into()),
        submitted_at: Some(Timestamp(submitted)),
        comment,
    }
}

/// When a change was made.
fn submitted(id: &str) -> Option<i64> {
    let digits = id.strip_prefix('C')?;
    let (head, sum) = digits.split_at_checked(TIME_DIGITS + CHANCE_DIGITS)?;
    let sum = u32::from_str_radix(sum, 16).ok().filter(|_| sum.len() == SUM_DIGITS)?;
    let time = i64::from_str_radix(head.get(..TIME_DIGITS)?, 16).ok()?;
    (checksum(head) == sum).then_some(time)
}

/// FNV-1a. It guards against mistakes, not against forgery: a forged id shows nothing.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
