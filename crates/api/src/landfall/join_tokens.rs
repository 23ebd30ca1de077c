//! Join tokens: a secret that a new machine shows to get an access key.

use core::time::Duration;

use plan::credentials;
use sha2::{Digest as _, Sha256};
use shapes::landfall as shape;
use state::{Change, Context, Draft, JoinToken, Purpose, State};
use types::{Timestamp, hex};

use super::{Error, trail};
use crate::ecs::find;

/// How long a token is good if the request does not say.
const LIFE: Duration = Duration::from_hours(1);

/// How many tokens can be good at once.
const TOKENS_MAX: usize = 1000;

/// How many expired tokens one request sweeps out.
const SWEPT_MAX: usize = 50;

/// What a token begins with: people and scanners see what it is.
const PREFIX: &str = "lfjoin-";

/// Bytes of a token's secret half.
const SECRET_BYTES: usize = 32;

/// `CreateJoinToken`: good for any number of machines until it expires.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::ClusterNotFound`],
/// [`Error::LimitExceeded`].
pub(super) fn create_join_token(
    draft: &mut Draft<'_>,
    ask: shape::CreateJoinTokenRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateJoinTokenResponse, Error> {
    trail::people_only(draft.state(), context)?;
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    sweep(draft, context.now);
    if draft.state().join_tokens().len() >= TOKENS_MAX {
        return Err(Error::LimitExceeded(format!("There are {TOKENS_MAX} join tokens already.")));
    }
    let seconds = ask.life_seconds.and_then(|it| u64::try_from(it).ok());
    let expires_at = context.now.after(seconds.map_or(LIFE, Duration::from_secs));
    let mut secret = [0; SECRET_BYTES];
    context.dice.fill(&mut secret);
    let id = format!("{:016x}", context.dice.bits() >> 64);
    let token = format!("{PREFIX}{id}-{}", hex(&secret));
    let row = JoinToken { id, digest: digest(&token), cluster: cluster.clone(), expires_at };
    draft.change(Change::from(row));
    Ok(shape::CreateJoinTokenResponse {
        join_token: Some(token),
        cluster: Some(cluster.to_string()),
        expires_at: Some(shapes::Timestamp(expires_at.0)),
    })
}

/// `RedeemJoinToken`: an access key for the agent of one machine. Needs no signature.
///
/// # Errors
///
/// [`Error::InvalidToken`].
pub(super) fn redeem_join_token(
    draft: &mut Draft<'_>,
    ask: shape::RedeemJoinTokenRequest,
    context: &mut Context<'_>,
) -> Result<shape::RedeemJoinTokenResponse, Error> {
    let token = ask.join_token.unwrap_or_default();
    let row = row(draft.state(), &token).filter(|it| it.expires_at > context.now);
    let cluster = row.ok_or(Error::InvalidToken)?.cluster.clone();
    let purpose = Purpose::Agent(cluster.clone());
    let key = credentials::long_lived(purpose, context.now, context.dice);
    draft.change(Change::from(key.clone()));
    let home = draft.state().home();
    Ok(shape::RedeemJoinTokenResponse {
        access_key_id: Some(key.id),
        secret_access_key: Some(key.secret),
        account_id: Some(home.account.to_string()),
        region: Some(home.region.to_string()),
        cluster: Some(cluster.to_string()),
    })
}

/// The row of a token. Digests are compared, so the time it takes tells nothing about the secret.
fn row<'a>(state: &'a State, token: &str) -> Option<&'a JoinToken> {
    let (id, _) = token.strip_prefix(PREFIX)?.split_once('-')?;
    let row = state.join_tokens().get(id)?;
    (row.digest == digest(token)).then_some(row)
}

fn sweep(draft: &mut Draft<'_>, now: Timestamp) {
    let rows = draft.state().join_tokens().values();
    let over = rows.filter(|it| it.expires_at <= now).take(SWEPT_MAX);
    let over: Vec<String> = over.map(|it| it.id.clone()).collect();
    for id in over {
        draft.change(Change::JoinToken(id, None));
    }
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Fixture};

    fn create(region: &mut Fixture, life: Option<i32>) -> Result<String, Error> {
        let ask = shape::CreateJoinTokenRequest { cluster: None, life_seconds: life };
        let answer = region.write(create_join_token, ask)?;
        Ok(answer.join_token.expect("a token"))
    }

    fn redeem(region: &mut Fixture, token: &str) -> Result<String, Error> {
        let ask = shape::RedeemJoinTokenRequest { join_token: Some(token.into()) };
        let answer = region.write(redeem_join_token, ask)?;
        Ok(answer.access_key_id.expect("a key"))
    }

    #[test]
    fn a_token_is_exchanged_for_the_key_of_an_agent() {
        let mut region = fixture::region();
        let token = create(&mut region, None).expect("is made");
        let first = redeem(&mut region, &token).expect("opens");
        let second = redeem(&mut region, &token).expect("opens again");
        assert_ne!(first, second, "each machine has a key of its own");
        let key = region.state.access_keys().get(&first).expect("a key");
        assert!(matches!(&key.purpose, Purpose::Agent(it) if it.as_str() == "default"));
        let stored = region.state.join_tokens().values().next().expect("a row");
        assert!(!token.contains(&hex(&stored.digest)), "the secret itself is not kept");
    }

    #[test]
    fn other_tokens_open_nothing() {
        let mut region = fixture::region();
        let token = create(&mut region, Some(60)).expect("is made");
        let mut other = token.clone();
        let last = other.pop().expect("a digit");
        other.push(if last == '0' { '1' } else { '0' });
        for bad in ["", "lfjoin-", "lfjoin-x-y", other.as_str(), &token[1..]] {
            assert_eq!(redeem(&mut region, bad), Err(Error::InvalidToken), "{bad}");
        }
        region.now = region.now.after(Duration::from_mins(1));
        assert_eq!(redeem(&mut region, &token), Err(Error::InvalidToken));
        create(&mut region, None).expect("is made");
        assert_eq!(region.state.join_tokens().len(), 1, "the expired one is gone");
    }

    #[test]
    fn an_agent_makes_no_tokens() {
        let mut region = fixture::region();
        let token = create(&mut region, None).expect("is made");
        region.access_key = redeem(&mut region, &token).expect("opens");
        assert_eq!(create(&mut region, None), Err(Error::AccessDenied));
    }
}
