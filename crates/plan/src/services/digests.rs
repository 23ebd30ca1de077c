//! One digest for all tasks of a deployment, though the tag moves meanwhile (handbook 3.10).

use std::collections::{BTreeMap, BTreeSet};

use shapes::{ecs as shape, stored};
use state::{Change, Draft, ServiceRevision, State, Task};
use types::{ContainerName, Timestamp};

use super::revision_of;

/// Failed launches after which the tags of a deployment are not resolved for it any more.
const ATTEMPTS: u32 = 3;

/// Takes note of the images that a task of a service was made of: tasks that are launched later for
/// the same revision are made of the same. What comes first counts. O(containers) as a rule.
///
/// Source: ECS Developer Guide, "Container image resolution".
pub fn note_digests(draft: &mut Draft<'_>, task: &Task, now: Timestamp) {
    let Some(revision) = revision_of(draft.state(), task) else { return };
    let known = task.containers.iter();
    let known = known.filter_map(|it| Some((it.name.clone(), it.image_digest.clone()?)));
    let mut news: BTreeMap<_, _> =
        known.filter(|(name, _)| !revision.digests.contains_key(name)).collect();
    if news.is_empty() || revision.unresolved_at.is_some() {
        return;
    }
    let mut after = revision.clone();
    if after.digests.is_empty() && has_failed_too_often(draft.state(), task) {
        after.unresolved_at = Some(now);
    } else {
        let pinned = pinned(draft.state(), revision);
        news.retain(|name, _| pinned.contains(name));
        after.digests.append(&mut news);
    }
    if after != *revision {
        draft.change(Change::from(after));
    }
}

/// Whether so many launches of its deployment had failed that it goes on with what its tags mean.
fn has_failed_too_often(state: &State, task: &Task) -> bool {
    let service = task.service_key().and_then(|it| state.services().get(&it));
    let deployments = service.map_or(&[][..], |it| &it.deployments);
    let id = task.service.as_ref().map(|it| it.deployment);
    deployments.iter().any(|it| Some(it.id) == id && it.failed >= ATTEMPTS)
}

/// Containers whose images stay the same for a whole deployment: all but those that say
/// `versionConsistency: disabled`.
fn pinned(state: &State, revision: &ServiceRevision) -> BTreeSet<ContainerName> {
    let definition = state.task_definition(&revision.definition);
    let spec: shape::RegisterTaskDefinitionRequest =
        definition.and_then(|it| stored::from_slice(&it.spec).ok()).unwrap_or_default();
    let containers = spec.container_definitions.into_iter().flatten();
    let pinned =
        containers.filter(|it| it.version_consistency != Some(shape::VersionConsistency::Disabled));
    pinned.filter_map(|it| ContainerName::parse(it.name.as_deref()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use state::{Caller, Context, Dice, NetworkMode};
    use types::InstanceId;

    use super::*;
    use crate::placement::fixture as places;
    use crate::services::tests as pictures;
    use crate::services::{fixture, launch};

    struct Case {
        state: State,
        task: Task,
    }

    impl Case {
        /// A task of deployment 1, of which so many have failed.
        fn new(failed: u32, consistency: Option<shape::VersionConsistency>) -> Self {
            let mut state = places::region();
            let instance = places::instance(1, "a", 1024, 1024);
            let plain = places::task(7, &instance, &places::request(1, 1));
            let task = fixture::task(&plain, NetworkMode::Bridge, &[]);
            let app = shape::ContainerDefinition {
                image: Some("app:1".into()),
                version_consistency: consistency,
                ..Default::default()
            };
            let definition = fixture::definition(&task, NetworkMode::Bridge, app);
            let mut service = pictures::service(2, 100, 200);
            service.deployments.retain(|it| it.id == 1);
            service.deployments[0].failed = failed;
            state.apply(Change::from(instance));
            state.apply(Change::from(definition));
            state.apply(Change::from(fixture::revision(&task)));
            state.apply(Change::from(service));
            Self { state, task }
        }

        /// Its agent reports of what image it was made.
        fn reports(&mut self, digest: &str) {
            self.task.containers[0].image_digest = Some(digest.into());
            let mut draft = Draft::new(&mut self.state);
            note_digests(&mut draft, &self.task, Timestamp(5));
            drop(draft.keep());
        }

        fn revision(&self) -> ServiceRevision {
            revision_of(&self.state, &self.task).expect("is there").clone()
        }

        /// The digest that the next task is pinned to.
        fn next(&mut self) -> Option<String> {
            let key = self.task.service_key().expect("of a service");
            let service = self.state.services()[&key].clone();
            let revision = self.revision();
            let launch = launch(&self.state, &service, &revision, &service.deployments[0]);
            let (now, mut dice) = (Timestamp(9), Dice::of(1));
            let mut context =
                Context { now, caller: Caller::region(), request_id: 1, dice: &mut dice };
            let mut draft = Draft::new(&mut self.state);
            let launch = launch.expect("can be launched");
            let id = launch.start(&mut draft, InstanceId::new(1), &mut context, 0);
            let id = id.expect("there is room");
            let task = draft.state().task(id).expect("was made").clone();
            draft.undo();
            task.containers[0].pinned_digest.clone()
        }
    }

    #[test]
    fn tasks_after_the_first_are_made_of_what_the_first_resolved() {
        let mut case = Case::new(0, None);
        assert_eq!(case.next(), None, "nobody has resolved the tag");
        case.reports("sha256:aa");
        assert_eq!(case.next().as_deref(), Some("sha256:aa"));
        case.reports("sha256:bb");
        assert_eq!(case.next().as_deref(), Some("sha256:aa"), "what came first counts");
        assert_eq!(case.revision().unresolved_at, None);
    }

    #[test]
    fn a_container_may_say_that_its_tag_decides() {
        let mut case = Case::new(0, Some(shape::VersionConsistency::Disabled));
        case.reports("sha256:aa");
        assert_eq!(case.next(), None);
        assert!(case.revision().digests.is_empty());
        let mut case = Case::new(0, Some(shape::VersionConsistency::Enabled));
        case.reports("sha256:aa");
        assert_eq!(case.next().as_deref(), Some("sha256:aa"));
    }

    #[test]
    fn a_deployment_that_failed_three_times_before_goes_on_unresolved() {
        let mut case = Case::new(2, None);
        case.reports("sha256:aa");
        assert_eq!(case.next().as_deref(), Some("sha256:aa"));
        let mut case = Case::new(3, None);
        case.reports("sha256:aa");
        assert_eq!((case.next(), case.revision().unresolved_at), (None, Some(Timestamp(5))));
        // A task that became healthy has set the count to zero meanwhile.
        let key = case.task.service_key().expect("of a service");
        let mut service = case.state.services()[&key].as_ref().clone();
        service.deployments[0].failed = 0;
        case.state.apply(Change::from(service));
        case.reports("sha256:bb");
        assert_eq!(case.next(), None, "it stays so");
    }
}
