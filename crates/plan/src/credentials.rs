//! Fresh access keys.

use core::time::Duration;

use state::{AccessKey, Dice, Purpose};
use types::Timestamp;

/// How long the keys of a task are good. Agents are given fresh ones before.
pub const TASK_KEY_LIFE: Duration = Duration::from_hours(6);

const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A long-lived key: `AKIA` and 16 letters, 40 letters of secret.
pub fn long_lived(purpose: Purpose, now: Timestamp, dice: &mut Dice) -> AccessKey {
    AccessKey {
        id: format!("AKIA{}", letters(dice, ID_LETTERS, 16)),
        secret: letters(dice, SECRET_LETTERS, 40),
        session_token: None,
        expires_at: None,
        purpose,
        created_at: now,
    }
}

/// A key that expires and must come with its session token.
pub fn temporary(purpose: Purpose, life: Duration, now: Timestamp, dice: &mut Dice) -> AccessKey {
    AccessKey {
        id: format!("ASIA{}", letters(dice, ID_LETTERS, 16)),
        session_token: Some(letters(dice, SECRET_LETTERS, 128)),
        expires_at: Some(now.after(life)),
        ..long_lived(purpose, now, dice)
    }
}

/// Random letters; alphabets have a power of two letters, so every letter is as likely.
fn letters<const N: usize>(dice: &mut Dice, alphabet: &[u8; N], count: usize) -> String {
    const { assert!(N.is_power_of_two()) };
    let mut bytes = vec![0; count];
    dice.fill(&mut bytes);
    bytes
        .iter()
        .filter_map(|it| alphabet.get(usize::from(*it) % N))
        .map(|it| char::from(*it))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_that_tools_expect() {
        let mut dice = Dice::of(1);
        let key = long_lived(Purpose::Root, Timestamp(0), &mut dice);
        assert_eq!((key.id.len(), key.secret.len()), (20, 40));
        assert!(key.id.starts_with("AKIA"));
        let other = temporary(Purpose::Root, TASK_KEY_LIFE, Timestamp(0), &mut dice);
        assert!(other.id.starts_with("ASIA"));
        assert_eq!(other.expires_at, Some(Timestamp(6 * 60 * 60 * 1000)));
        assert_ne!(key.secret, other.secret);
    }
}
