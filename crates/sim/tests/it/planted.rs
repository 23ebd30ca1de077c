//! Each planted bug is found, by the promise that it breaks.

use sim::Invariant::{
    Addresses, Alarms, Atomicity, Audited, Bounded, Breaker, Capable, Completed, Connected,
    Constraints, Convergence, Daemons, Drained, Durability, Forward, Found, Generations, Indexes,
    Measured, Named, NoOvercommit, NoRevival, OneDigest, OneLaunch, Percentages, Physical,
    Protected, Quiet, Registered, Released, Replay, Retention, Rollback, Routed, Seen, Slowed,
    Standing, Told,
};
use sim::{Invariant, Options, Plant, run};

/// Seeds tried for each bug.
const SEEDS: u64 = 300;

/// Finds a planted bug; which seed shows it, and as which broken promise.
fn find(plant: Plant, promises: &[Invariant]) -> Result<u64, String> {
    for seed in 0..SEEDS {
        let outcome =
            run(Options { seed, steps: 2_000, kind: None, plant: Some(plant), follow: None });
        if let Some((violation, _)) = outcome.failure {
            return match promises.contains(&violation.invariant) {
                true => Ok(seed),
                false => Err(format!("{plant:?}, seed {seed}: found as {violation:?}")),
            };
        }
    }
    Err(format!("{plant:?} is not found within {SEEDS} seeds"))
}

#[test]
fn planted_bugs_are_found() {
    let table: [(Plant, &[Invariant]); Plant::ALL.len()] = [
        (Plant::AnswersEarly, &[Durability]),
        (Plant::FreesEarly, &[Released]),
        (Plant::FreesLost, &[Released]),
        (Plant::TokenApart, &[Atomicity]),
        (Plant::ForgetsToken, &[Atomicity, OneLaunch]),
        (Plant::SkipsAudit, &[Audited]),
        (Plant::LosesBatch, &[Replay]),
        (Plant::MovesBack, &[Forward]),
        (Plant::SameVersion, &[Forward]),
        (Plant::Moves, &[Forward]),
        (Plant::Overcommits, &[NoOvercommit, Standing, Constraints]),
        (Plant::PlacesAnywhere, &[Standing]),
        (Plant::IgnoresConstraint, &[Constraints, NoOvercommit, Capable]),
        (Plant::StaleIndex, &[Indexes]),
        (Plant::WakesNobody, &[Quiet, Convergence]),
        (Plant::ReapsEarly, &[Retention]),
        (Plant::ForgetsUnkept, &[Retention]),
        (Plant::NeverRepeats, &[Convergence]),
        (Plant::IgnoresStop, &[Convergence]),
        (Plant::LosesRows, &[Physical, Convergence, NoRevival, Released]),
        (Plant::Revives, &[NoRevival]),
        (Plant::SharesAddress, &[Addresses]),
        (Plant::LacksInterface, &[Addresses]),
        (Plant::MovesInterface, &[Forward]),
        (Plant::SharesGpu, &[NoOvercommit]),
        (Plant::ForgetsGpus, &[Told]),
        (Plant::IgnoresCapability, &[Capable, Standing, NoOvercommit, Constraints]),
        (Plant::Unbounded, &[Bounded]),
        // What follows a hole in the journal is not replayed, or the journal says that it has one.
        (Plant::IgnoresFailedSync, &[Replay, Convergence]),
        (Plant::SkipsMigration, &[Replay]),
        (Plant::RoutesAnywhere, &[Routed]),
        (Plant::ForgetsDraining, &[Routed]),
        (Plant::NeverEnds, &[Drained]),
        (Plant::AppliesOlder, &[Generations]),
        (Plant::SaysIdle, &[Drained]),
        (Plant::MixesReports, &[Seen]),
        (Plant::LosesReports, &[Convergence]),
        (Plant::OneEpoch, &[Convergence]),
        (Plant::KeepsTargets, &[Quiet, Registered]),
        (Plant::LetsGoEarly, &[Drained]),
        (Plant::KeepsEnded, &[Registered]),
        (Plant::StopsHealthy, &[Percentages, Protected]),
        (Plant::StartsTooMany, &[Percentages]),
        (Plant::StopsProtected, &[Protected]),
        (Plant::CountsTwice, &[Breaker]),
        (Plant::ForgetsFailures, &[Breaker]),
        (Plant::CompletesEarly, &[Completed]),
        (Plant::StopsDaemons, &[Percentages]),
        (Plant::ForgetsSpread, &[Convergence]),
        (Plant::RollsBackAnywhere, &[Rollback]),
        (Plant::SleepsThroughAlarms, &[Alarms]),
        (Plant::FailsUnmonitored, &[Alarms]),
        (Plant::SkipsBakeTime, &[Alarms]),
        (Plant::KeepsServices, &[Quiet, Convergence, Registered]),
        (Plant::DoublesDaemons, &[Daemons]),
        (Plant::KeepsFound, &[Found]),
        (Plant::FindsIll, &[Found]),
        (Plant::ForgetsNames, &[Named]),
        (Plant::ReachesLeaving, &[Connected, Registered]),
        (Plant::LeavesOut, &[Connected, Registered]),
        (Plant::ReachesIll, &[Connected, Quiet]),
        (Plant::FillsInstances, &[Daemons]),
        (Plant::FollowsTags, &[OneDigest]),
        (Plant::GivesUpTwo, &[Slowed]),
        (Plant::Misreads, &[Measured]),
        (Plant::Miscounts, &[Indexes]),
    ];
    let missed: Vec<_> =
        table.iter().filter_map(|(plant, promises)| find(*plant, promises).err()).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
