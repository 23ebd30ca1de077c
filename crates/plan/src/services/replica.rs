//! A service that keeps a number of tasks: scaling, rolling out, draining, replacing what is not
//! well, all within the two percentages (handbook 5.2, 5.4, 6.2).

use std::collections::BTreeMap;

use state::{RemarkKind, Rollout, Switch};
use types::Zone;

use super::crowd::Crowd;
use super::snapshot::Member;
use super::standing::Standing;
use super::step::{Plan, Room, STOPS_MAX, Starting, Why};
use super::{events, rebalance, rollout, scale_in};

/// How the tasks of a service stand, by what is to become of them.
struct Census<'a> {
    /// Of the PRIMARY deployment, where they may stay, and not known to be ill; crowds are not here.
    good: Vec<&'a Member>,
    /// How many of them there are, with crowds.
    goods: u32,
    /// Of those: healthy.
    healthy: u32,
    /// Of the PRIMARY deployment, where they may stay, and ill.
    ill: Vec<&'a Member>,
    /// Of older deployments, or on instances that drain; of crowds the oldest.
    old: Vec<&'a Member>,
    /// How many of them there are, with crowds.
    olds: u32,
}

impl<'a> Census<'a> {
    fn take(plan: &Plan<'a>) -> Self {
        let is_ill = |it: &&Member| matches!(it.standing, Standing::Unhealthy(_));
        let (current, old): (Vec<_>, Vec<_>) = plan.active().partition(|it| plan.is_current(it));
        let (ill, good): (Vec<_>, Vec<_>) = current.into_iter().partition(is_ill);
        let healthy = good.iter().filter(|it| it.standing == Standing::Healthy).count();
        let is_well = |it: &Crowd| it.standing == Standing::Healthy;
        let healthy = number(healthy) + plan.crowded(|it| plan.is_current_crowd(it) && is_well(it));
        let goods = number(good.len()) + plan.crowded(|it| plan.is_current_crowd(it));
        let is_old = |it: &Crowd| it.standing.is_active() && !plan.is_current_crowd(it);
        let olds = number(old.len()) + plan.crowded(is_old);
        Self { good, goods, healthy, ill, old, olds }
    }

    /// Whether some tasks of the PRIMARY deployment are on their way to being healthy.
    fn is_under_way(&self) -> bool {
        self.healthy < self.goods
    }
}

fn number(it: usize) -> u32 {
    u32::try_from(it).unwrap_or(u32::MAX)
}

pub(super) fn plan(plan: &mut Plan<'_>) {
    stop_pending_of_draining(plan);
    replace(plan);
    retire_replaced(plan);
    scale_in(plan);
    conclude(plan);
}

/// What does not run yet on a draining instance goes at once (handbook 6.2).
fn stop_pending_of_draining(plan: &mut Plan<'_>) {
    let pending: Vec<_> =
        plan.active().filter(|it| it.is_draining && it.standing == Standing::Starting).collect();
    for member in pending {
        plan.stop(member, Why::Draining);
    }
}

/// Starts what is missing, and makes room for it where the upper bound leaves none.
fn replace(plan: &mut Plan<'_>) {
    let census = Census::take(plan);
    let is_stalled =
        plan.service.deployments.first().is_none_or(|it| it.rollout == Rollout::Failed);
    let missing = plan.desired().saturating_sub(census.goods);
    if missing == 0 || is_stalled {
        return;
    }
    let allowed = plan.allowed(missing);
    if allowed == 0 {
        return;
    }
    let room = plan.bounds().upper.saturating_sub(plan.present());
    let start = allowed.min(room);
    let lacking = match plan.room {
        Room::Open => allowed - allowed.min(room),
        Room::None => allowed,
    };
    let before = plan.step.stop.len();
    let lacking = lacking.saturating_sub(plan.leaving());
    // While a replacement comes, the next ill task stays.
    let comes = start > 0 && plan.room == Room::Open;
    let ill = census.ill.first().copied().filter(|_| !comes && !census.is_under_way());
    make_room(plan, &census.old, ill, lacking);
    let has_stopped = plan.step.stop.len() > before;
    if start > 0 && plan.room == Room::Open {
        plan.step.start = Some(Starting::Anywhere(start));
    } else if !has_stopped && room == 0 && plan.leaving() == 0 && !census.is_under_way() {
        plan.remark(RemarkKind::Stuck, events::STUCK);
    }
}

/// Stops as many as that: those that do not count first, of older deployments before the ill of this
/// one, of which one goes at a time.
fn make_room(plan: &mut Plan<'_>, old: &[&Member], ill: Option<&Member>, lacking: u32) {
    let mut left = lacking;
    let counts = |it: &Member| it.standing == Standing::Healthy;
    let idle = old.iter().filter(|it| !counts(it));
    for member in idle {
        if left == 0 {
            return;
        }
        left -= u32::from(stop_old(plan, member));
    }
    if left > 0 && plan.leaving() == 0 {
        left -= u32::from(ill.is_some_and(|it| plan.stop_unhealthy(it)));
    }
    for member in in_order(old).into_iter().filter(|it| counts(it)) {
        if left == 0 {
            return;
        }
        left -= u32::from(stop_old(plan, member));
    }
}

fn stop_old(plan: &mut Plan<'_>, member: &Member) -> bool {
    if plan.is_current(member) {
        return false;
    }
    let primary = plan.primary();
    let why = match &member.standing {
        Standing::Unhealthy(reason) => Why::Unhealthy(reason.clone()),
        _ if member.deployment == primary => Why::Draining,
        _ => Why::Deployment(primary),
    };
    plan.stop(member, why)
}

/// What does not count first, then the oldest.
fn in_order<'a>(members: &[&'a Member]) -> Vec<&'a Member> {
    let mut members = members.to_vec();
    members.sort_by_key(|it| it.standing == Standing::Healthy);
    members
}

/// Stops what healthy tasks have taken the place of: older ones, and ill ones.
fn retire_replaced(plan: &mut Plan<'_>) {
    let census = Census::take(plan);
    let desired = plan.desired();
    let places_left = desired.saturating_sub(census.healthy);
    let surplus = census.olds.saturating_sub(places_left);
    let mut left = surplus;
    for member in in_order(&census.old) {
        if left == 0 {
            break;
        }
        left -= u32::from(stop_old(plan, member));
    }
    let ill = number(census.ill.len());
    let replaced = (census.healthy + ill).saturating_sub(desired).min(ill);
    for member in census.ill.iter().take(replaced as usize) {
        plan.stop_unhealthy(member);
    }
}

/// Stops what is more than desired (handbook 4.6).
fn scale_in(plan: &mut Plan<'_>) {
    let census = Census::take(plan);
    let surplus = census.goods.saturating_sub(plan.desired());
    if surplus == 0 {
        return;
    }
    let moves = plan.snapshot.scene.is_rebalancing;
    if moves && census.is_under_way() {
        // The replacement in the poorer zone has to be healthy first.
        return;
    }
    let free: Vec<_> = census.good.iter().copied().filter(|it| !it.is_protected).collect();
    let why = if moves { Why::Rebalancing } else { Why::Scaling };
    // More than a step stops are not put in order: what is left follows at once.
    let most = (surplus as usize).min(STOPS_MAX + 1);
    for member in scale_in::order(&free, &census.good, &plan.snapshot.scene, most) {
        plan.stop(member, why.clone());
    }
    let short = surplus.saturating_sub(number(free.len()));
    if short > 0 {
        let id = plan.primary();
        plan.remark(RemarkKind::Protected, events::protected(id, short));
    }
}

/// Says whether everything is as it should be, and goes on to what waits for that.
fn conclude(plan: &mut Plan<'_>) {
    let census = Census::take(plan);
    let desired = plan.desired();
    let all = plan.present();
    let is_steady = census.healthy == desired
        && all == desired
        && plan.step.stop.is_empty()
        && plan.step.start.is_none()
        && !plan.snapshot.has_more;
    if !is_steady {
        rollout::unsteady(plan);
        return;
    }
    rollout::steady(plan);
    if plan.service.rebalancing == Switch::On {
        let mut zones: BTreeMap<Zone, u32> =
            plan.snapshot.scene.zones.iter().map(|it| (it.clone(), 0)).collect();
        for member in &census.good {
            *zones.entry(member.zone.clone()).or_default() += 1;
        }
        let crowds = || plan.snapshot.crowds.iter().filter(|it| plan.is_current_crowd(it));
        for crowd in crowds() {
            *zones.entry(crowd.zone.clone()).or_default() += crowd.count;
        }
        let free = census.good.iter().filter(|it| !it.is_protected).map(|it| &it.zone);
        let free = free.chain(crowds().map(|it| &it.zone)).cloned().collect();
        rebalance::plan(plan, &zones, &free);
    }
}
