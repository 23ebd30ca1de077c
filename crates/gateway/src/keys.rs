//! The region's access keys, where signatures are verified.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use state::{AccessKey, Change, Purpose, State};
use types::{Home, TaskId};
use wire::sigv4::{Credential, Session};

/// Whose signatures are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those made with a key of this region.
    Signed,
    /// Everybody's, signed or not (`--auth off`).
    Everybody,
}

/// The durable access keys of the state, for many readers.
#[derive(Debug, Default)]
pub struct Keys(RwLock<BTreeMap<String, Arc<AccessKey>>>);

impl Keys {
    /// The keys of a state that is all durable.
    pub fn of(state: &State) -> Self {
        Self(RwLock::new(state.access_keys().clone()))
    }

    /// Takes in durable changes.
    pub fn hear(&self, changes: &[Change]) {
        for change in changes {
            if let Change::AccessKey(id, key) = change {
                let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
                match key {
                    Some(key) => keys.insert(id.clone(), key.clone()),
                    None => keys.remove(id),
                };
            }
        }
    }

    /// A key by its id.
    pub fn get(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The secret of a key, as the verification of signatures wants it.
    pub(crate) fn credential(&self, id: &str) -> Option<Credential> {
        let key = self.get(id)?;
        let session = key.session_token.clone().zip(key.expires_at);
        Some(Credential {
            secret: key.secret.clone(),
            session: session.map(|(token, expires)| Session { token, expires }),
        })
    }
}

/// ARN of whom a key stands for.
pub(crate) fn principal(home: &Home, key: Option<&AccessKey>) -> String {
    match key.map(|it| &it.purpose) {
        None | Some(Purpose::Root) => home.iam("root"),
        Some(Purpose::Agent(cluster)) => home.iam(&format!("role/landfall-agent/{cluster}")),
        Some(Purpose::Balancer) => home.iam("role/landfall-balancer"),
        Some(Purpose::Task { task, role }) => assumed(home, *task, role),
    }
}

fn assumed(home: &Home, task: TaskId, role: &str) -> String {
    let name = role.rsplit('/').next().unwrap_or(role);
    format!("arn:aws:sts::{}:assumed-role/{name}/{task}", home.account)
}
