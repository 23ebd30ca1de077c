//! Credentials that this region makes.

use core::time::Duration;

use state::{AccessKey, Context, Dice, Purpose};

/// Letters of an access key id: those of base 32, as AWS uses them.
const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Letters of secrets and session tokens: those of base 64.
const SECRET_LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Length of an access key id behind its prefix, of a secret, and of a session token.
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 40;
const SESSION_LENGTH: usize = 128;

/// A key that is good until it is taken away.
pub fn lasting(purpose: Purpose, context: &mut Context<'_>) -> AccessKey {
    AccessKey {
        id: format!("AKIA{}", word(context.dice, ID_LETTERS, ID_LENGTH)),
        secret: word(context.dice, SECRET_LETTERS, SECRET_LENGTH),
        session_token: None,
        expires_at: None,
        purpose,
        created_at: context.now,
    }
}

/// A key that is good for a while, with its session token.
pub fn temporary(purpose: Purpose, life: Duration, context: &mut Context<'_>) -> AccessKey {
    AccessKey {
        id: format!("ASIA{}", word(context.dice, ID_LETTERS, ID_LENGTH)),
        secret: word(context.dice, SECRET_LETTERS, SECRET_LENGTH),
        session_token: Some(word(context.dice, SECRET_LETTERS, SESSION_LENGTH)),
        expires_at: Some(context.now.after(life)),
        purpose,
        created_at: context.now,
    }
}

/// Random letters. The alphabets have a power of two of them, so none is likelier than another.
fn word<const N: usize>(dice: &mut Dice, letters: &[u8; N], length: usize) -> String {
    const { assert!(N.is_power_of_two(), "the choice would be uneven") };
    let mut bytes = vec![0; length];
    dice.fill(&mut bytes);
    let letter = |byte: u8| letters.iter().copied().nth(usize::from(byte) % N);
    bytes.into_iter().filter_map(letter).map(char::from).collect()
}
