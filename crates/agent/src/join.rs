//! How a machine without credentials gets some: it shows a join token once and keeps what it got.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shapes::landfall as shape;

use crate::api::{Api, CallError};
use crate::config::{Admission, Config, Keys};
use crate::durable;
use crate::error::AgentError;

/// Waits between attempts to reach the region.
const RETRY: core::time::Duration = core::time::Duration::from_secs(2);

/// What a token was exchanged for.
#[derive(Serialize, Deserialize)]
struct Joined {
    access_key_id: String,
    secret_access_key: String,
    region: String,
    cluster: String,
}

fn path(data: &Path) -> PathBuf {
    data.join("joined.json")
}

/// The keys to sign with. A token also says which region and cluster it opens.
pub(crate) async fn keys(config: &mut Config) -> Result<Keys, AgentError> {
    let joined = match &config.admission {
        Admission::Keys(keys) => return Ok(keys.clone()),
        Admission::Token(token) => match kept(&config.data) {
            Some(joined) => joined,
            None => redeem(config, token).await?,
        },
        Admission::Joined => kept(&config.data).ok_or(AgentError::NotJoined)?,
    };
    config.region = joined.region;
    config.cluster = joined.cluster;
    Ok(Keys {
        access_key_id: joined.access_key_id,
        secret_access_key: joined.secret_access_key,
        session_token: None,
    })
}

fn kept(data: &Path) -> Option<Joined> {
    serde_json::from_slice(&fs::read(path(data)).ok()?).ok()
}

async fn redeem(config: &Config, token: &str) -> Result<Joined, AgentError> {
    let api = Api::new(config, None)?;
    let ask = shape::RedeemJoinTokenRequest { join_token: Some(token.to_owned()) };
    let answer = loop {
        match api.call::<shape::RedeemJoinToken>(&ask).await {
            Ok(answer) => break answer,
            Err(error @ CallError::Unreachable(_)) => {
                tracing::warn!(%error, "the region is not joined yet");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(AgentError::Refused(error.to_string())),
        }
    };
    let missing = || AgentError::Refused("an answer without a key".into());
    let joined = Joined {
        access_key_id: answer.access_key_id.ok_or_else(missing)?,
        secret_access_key: answer.secret_access_key.ok_or_else(missing)?,
        region: answer.region.ok_or_else(missing)?,
        cluster: answer.cluster.ok_or_else(missing)?,
    };
    let path = path(&config.data);
    let bytes = serde_json::to_vec(&joined).unwrap_or_default();
    durable::write(&path, &bytes).map_err(AgentError::file("write", &path))?;
    Ok(joined)
}
