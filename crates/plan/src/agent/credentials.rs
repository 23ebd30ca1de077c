//! Keeps the credentials of tasks as long as the tasks live, and hands them to nobody else.

use shapes::acs;

use super::Core;
use super::effect::{Flush, Output, Row};
use super::payload::credentials_ack;
use super::record::{Credentials, Role};
use super::rows;
use super::spec::TaskArn;

impl Core {
    /// The credentials that this task may fetch under this id: its own, and only while it lives.
    /// The id that its containers were started with stays good when fresh ones come with another.
    pub fn credentials(&self, task: &TaskArn, id: &str) -> Option<&Credentials> {
        let spec = self.tasks.get(task).and_then(|it| it.spec.as_ref());
        let first = spec.and_then(|it| it.role_credentials.as_deref());
        let role = self.role_credentials(task, Role::Application);
        role.filter(|it| it.id == id || first == Some(id))
    }

    /// The credentials of a living task.
    pub fn role_credentials(&self, task: &TaskArn, role: Role) -> Option<&Credentials> {
        self.tasks.get(task).filter(|it| !it.is_stopped())?;
        self.credentials.get(&(task.clone(), role))
    }

    /// Takes in fresh credentials for a living task; for others they are of no use.
    pub(super) fn fresh_credentials(
        &mut self,
        message: acs::IAMRoleCredentialsMessage,
        output: &mut Output,
    ) {
        let role = match message.role_type {
            Some(acs::RoleType::TaskApplication) | None => Role::Application,
            Some(acs::RoleType::TaskExecution) => Role::Execution,
            Some(acs::RoleType::Other(_)) => return,
        };
        let Some(set) = message.role_credentials else { return };
        let Some(arn) = message.task_arn.as_deref().and_then(TaskArn::parse) else { return };
        if self.tasks.contains_key(&arn) {
            self.keep_credentials(&arn, role, &set, output);
            let id = message.message_id.unwrap_or_default();
            output.effects.push(credentials_ack(&set, &id));
        }
    }

    /// Keeps credentials unless the task has stopped.
    pub(super) fn keep_credentials(
        &mut self,
        arn: &TaskArn,
        role: Role,
        set: &acs::IAMRoleCredentials,
        output: &mut Output,
    ) {
        if self.tasks.get(arn).is_none_or(super::Task::is_stopped) {
            return;
        }
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let credentials = Credentials {
            id: text(&set.credentials_id),
            role_arn: text(&set.role_arn),
            access_key_id: text(&set.access_key_id),
            secret_access_key: text(&set.secret_access_key),
            session_token: text(&set.session_token),
            expiration: text(&set.expiration),
        };
        output.rows.push(rows::put(rows::credentials_key(arn, role), &credentials));
        output.flush = Flush::BeforeEffects;
        self.credentials.insert((arn.clone(), role), credentials);
    }

    /// Forgets the credentials of a task that has stopped.
    pub(super) fn forget_credentials(&mut self, arn: &TaskArn, output: &mut Output) {
        for role in [Role::Application, Role::Execution] {
            if self.credentials.remove(&(arn.clone(), role)).is_some() {
                let key = rows::credentials_key(arn, role);
                output.rows.push(Row { key, value: None });
            }
        }
    }
}
