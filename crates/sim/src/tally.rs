//! How often each promise about services was put to the test: one that nothing puts to the test may
//! hold for that reason alone.

macro_rules! trials {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal)*) => {
        /// A moment at which a promise could have been broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Trial {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Trial {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What happened, for people.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

trials! {
    /// `Percentages`: a start.
    Start "reviews that started tasks of a service"
    /// `Percentages`: a start after which no other one was allowed.
    LastStart "... after which one more would have been too many"
    /// `Percentages`: a stop of ours of what counted.
    Stop "reviews that stopped healthy tasks of a service"
    /// `Percentages`: a stop after which no other one was allowed.
    LastStop "... after which one less would have been too few"
    /// `Percentages`: a daemon's task that counted was stopped.
    DaemonStop "reviews that stopped healthy daemons"
    /// `Percentages`: a daemon was stopped after which no other one could be.
    LastDaemonStop "... after which one less would have been too few"
    /// `Protected`: tasks of a service were stopped of which others were protected.
    BesideProtected "reviews that stopped tasks of a service beside protected ones"
    /// `Breaker`: a failure was taken into account.
    Failure "reviews that counted failures of a deployment"
    /// `Breaker`: it tripped.
    Trip "circuit breakers that tripped"
    /// `Rollback`: one began.
    GoingBack "rollbacks that began"
    /// `Rollback`: one ended well.
    Back "rollbacks that ended at the revision completed last"
    /// `Completed`: a rollout was completed.
    Rollout "rollouts that were completed"
    /// `Alarms`: a deployment was ended by one.
    Sounded "deployments that an alarm ended"
    /// `Alarms`: a monitored deployment was completed after its bake time.
    Baked "deployments that were completed after a bake time"
    /// `Alarms`: an alarm's metrics made it change.
    Evaluated "alarms that changed by what was measured"
    /// `Daemons`: a task of one was started.
    DaemonStart "daemons that were started"
    /// `Daemons`: something was placed where a daemon was yet to come.
    BesideDaemon "tasks placed where a daemon was yet to come"
    /// `Drained`: a service's task was a target no more, and only then stopped.
    LetGo "tasks that drained before they were stopped"
    /// `Drained`: requests were under way to a task that was to go.
    LetGoBusy "tasks that were to go while requests were under way to them"
    /// `Drained`: a task left a Classic Load Balancer.
    LetGoClassic "tasks that left a Classic Load Balancer"
    /// `Balanced`: a task was stopped as another zone had too few.
    Moved "tasks that were moved to another zone"
    /// `Convergence`: a service's task was given up with its instance.
    Lost "tasks of services that were lost with their instance"
    /// `Slowed`: an instance was given up while most were lost.
    Slowed "instances that were given up one by one"
    /// `OneDigest`: a task had to be made of what others were made of.
    Pinned "tasks that had to be made of a digest found before"
    /// `Found`: Cloud Map learnt of a task, or of its health.
    Found "changes of what is found in Cloud Map"
    /// `Connected`: an endpoint was looked at that should have targets.
    Connected "endpoints that were looked at and should have targets"
    /// `Connected`: one was looked at with a task that ran and was not well.
    ConnectedIll "... of which some task was not well"
}

/// How often each of them was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally([u64; Trial::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Trial::ALL.len()])
    }
}

impl Tally {
    /// How often that was.
    pub fn of(&self, trial: Trial) -> u64 {
        self.0.get(trial as usize).copied().unwrap_or(0)
    }

    /// It was once more.
    pub(crate) fn note(&mut self, trial: Trial) {
        self.count(trial, 1);
    }

    /// It was so many times more.
    pub(crate) fn count(&mut self, trial: Trial, times: usize) {
        if let Some(it) = self.0.get_mut(trial as usize) {
            *it += times as u64;
        }
    }

    /// What another run has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            *mine += others;
        }
    }
}
