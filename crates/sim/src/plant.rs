//! Bugs planted on purpose, one for each checker: a checker that has never failed is not trusted.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// Answers leave before the journal has what they say.
    AnswersEarly,
    /// StopTask frees what a task holds before its containers have ended.
    FreesEarly,
    /// A lost instance's tasks are freed when they are given up.
    FreesLost,
    /// The token is written by a transaction of its own.
    TokenApart,
    /// Tokens are forgotten at once.
    ForgetsToken,
    /// A mutation leaves no audit row.
    SkipsAudit,
    /// The journal says that a batch is safe and drops it.
    LosesBatch,
    /// A report moves a task back to PENDING.
    MovesBack,
    /// A change that is seen does not raise the version.
    SameVersion,
    /// A placed task moves to another instance.
    Moves,
    /// All tasks go to one instance, whatever it has left.
    Overcommits,
    /// A task goes to an instance that is draining or disconnected.
    PlacesAnywhere,
    /// A task goes where its constraint forbids.
    IgnoresConstraint,
    /// The indexes miss a change.
    StaleIndex,
    /// Nobody is woken by changes of instances.
    WakesNobody,
    /// Stopped tasks are forgotten at once.
    ReapsEarly,
    /// What is over leaves the state before it is durable in the history.
    ForgetsUnkept,
    /// A payload counts as acknowledged once it is sent.
    NeverRepeats,
    /// The agent acknowledges stops and does nothing about them.
    IgnoresStop,
    /// What an agent promised to keep is gone after a crash.
    LosesRows,
    /// A machine starts the containers of ended tasks again when it boots.
    Revives,
    /// Two tasks get one address.
    SharesAddress,
    /// A task that needs an interface is made without one.
    LacksInterface,
    /// A task's interface is another one from one moment to the next.
    MovesInterface,
    /// Two tasks get one GPU.
    SharesGpu,
    /// Agents are not told which GPUs a task has.
    ForgetsGpus,
    /// A task goes to an agent that cannot do what it needs.
    IgnoresCapability,
    /// A transaction grows without bounds.
    Unbounded,
    /// A sync of the journal that failed counts as done.
    IgnoresFailedSync,
    /// A newer release takes the rows of an older one as they are, and drops what it cannot read.
    SkipsMigration,
    /// A balancer sends requests to any target of the group.
    RoutesAnywhere,
    /// A balancer does not see that a target drains.
    ForgetsDraining,
    /// A balancer lets requests go on beyond their target's time.
    NeverEnds,
    /// A balancer serves whatever table came last.
    AppliesOlder,
    /// A balancer says that it is busy with nothing.
    SaysIdle,
    /// What one balancer finds is noted as another one's.
    MixesReports,
    /// A report that the region has no time for counts as taken in.
    LosesReports,
    /// Every owner of the region counts as the same one.
    OneEpoch,
    /// Nobody is woken by changes of balancers and targets.
    KeepsTargets,
    /// A task is stopped while it drains.
    LetsGoEarly,
    /// A task that is over stays a target.
    KeepsEnded,
    /// Healthy tasks of a service are stopped beyond its lower bound.
    StopsHealthy,
    /// A service starts more than its upper bound.
    StartsTooMany,
    /// A protected task is scaled in.
    StopsProtected,
    /// A failure of a deployment counts twice.
    CountsTwice,
    /// Failures of deployments are not counted.
    ForgetsFailures,
    /// A rollout counts as complete at once.
    CompletesEarly,
    /// Healthy daemons are stopped beyond the lower bound.
    StopsDaemons,
    /// Whoever asked for spread tasks is taken for one who did not.
    ForgetsSpread,
    /// A rollback goes to another revision.
    RollsBackAnywhere,
    /// Nobody is woken by alarms.
    SleepsThroughAlarms,
    /// An alarm ends a deployment that it does not count for.
    FailsUnmonitored,
    /// There is no bake time.
    SkipsBakeTime,
    /// Nobody is woken by changes of services' tasks.
    KeepsServices,
    /// An instance gets a second task of a daemon.
    DoublesDaemons,
    /// A task is found in Cloud Map when it has ended.
    KeepsFound,
    /// Cloud Map says of every task that it is well.
    FindsIll,
    /// Who answers does not hear that a name is gone.
    ForgetsNames,
    /// An endpoint goes on sending to a task that leaves.
    ReachesLeaving,
    /// A task that runs is left out of its service's endpoint.
    LeavesOut,
    /// An endpoint goes on sending to a task that is not well.
    ReachesIll,
    /// A task takes what is kept for a daemon.
    FillsInstances,
    /// Tasks of a service are made of what their tags mean by now.
    FollowsTags,
    /// Lost instances are given up two by two.
    GivesUpTwo,
    /// Alarms look at what was measured some time ago.
    Misreads,
    /// A look at a service misses tasks that are only counted.
    Miscounts,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 66] = [
        Self::AnswersEarly,
        Self::FreesEarly,
        Self::FreesLost,
        Self::TokenApart,
        Self::ForgetsToken,
        Self::SkipsAudit,
        Self::LosesBatch,
        Self::MovesBack,
        Self::SameVersion,
        Self::Moves,
        Self::Overcommits,
        Self::PlacesAnywhere,
        Self::IgnoresConstraint,
        Self::StaleIndex,
        Self::WakesNobody,
        Self::ReapsEarly,
        Self::ForgetsUnkept,
        Self::NeverRepeats,
        Self::IgnoresStop,
        Self::LosesRows,
        Self::Revives,
        Self::SharesAddress,
        Self::LacksInterface,
        Self::MovesInterface,
        Self::SharesGpu,
        Self::ForgetsGpus,
        Self::IgnoresCapability,
        Self::Unbounded,
        Self::IgnoresFailedSync,
        Self::SkipsMigration,
        Self::RoutesAnywhere,
        Self::ForgetsDraining,
        Self::NeverEnds,
        Self::AppliesOlder,
        Self::SaysIdle,
        Self::MixesReports,
        Self::LosesReports,
        Self::OneEpoch,
        Self::KeepsTargets,
        Self::LetsGoEarly,
        Self::KeepsEnded,
        Self::StopsHealthy,
        Self::StartsTooMany,
        Self::StopsProtected,
        Self::CountsTwice,
        Self::ForgetsFailures,
        Self::CompletesEarly,
        Self::StopsDaemons,
        Self::ForgetsSpread,
        Self::RollsBackAnywhere,
        Self::SleepsThroughAlarms,
        Self::FailsUnmonitored,
        Self::SkipsBakeTime,
        Self::KeepsServices,
        Self::DoublesDaemons,
        Self::KeepsFound,
        Self::FindsIll,
        Self::ForgetsNames,
        Self::ReachesLeaving,
        Self::LeavesOut,
        Self::ReachesIll,
        Self::FillsInstances,
        Self::FollowsTags,
        Self::GivesUpTwo,
        Self::Misreads,
        Self::Miscounts,
    ];
}
