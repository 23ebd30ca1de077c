//! What a region is from its first start: its network, its first cluster, its first key, its
//! certificate authority.

use plan::{authority, credentials};
use state::{Change, Context, Draft, Purpose, RegionRow, Subnet};
use types::{ClusterName, Zone};

use crate::ecs;

/// How many bits of the VPC's addresses number its subnets: sixteen of them, as in AWS's default
/// VPC.
const SUBNET_BITS: u8 = 4;

/// The longest prefix of a subnet. Source: Amazon VPC User Guide, "Subnet CIDR blocks".
const SUBNET_PREFIX_MAX: u8 = 28;

/// What is decided about a region before its first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPlan {
    /// The zones, each of which gets a subnet. Up to fifteen.
    pub zones: Vec<Zone>,
    /// First address of the default VPC, as a number.
    pub vpc_base: u32,
    /// Length of its prefix in bits: 16 to 24.
    pub vpc_prefix: u8,
}

/// A plan that no region can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionPlanError {
    /// There must be a zone.
    #[error("a region needs at least one zone")]
    NoZone,
    /// There are more zones than subnets fit into the VPC.
    #[error("a region has at most {max} zones, not {wanted}")]
    TooManyZones {
        /// How many were planned.
        wanted: usize,
        /// How many there can be.
        max: usize,
    },
    /// The VPC is too large or too small, or begins between two networks.
    #[error("a VPC has a prefix of 16 to 24 bits and begins where its network begins")]
    BadVpc,
}

/// Makes the region what it is, once; on every later start adds subnets for new zones.
///
/// # Errors
///
/// The plan cannot be followed; then nothing has changed.
pub fn first_start(
    draft: &mut Draft<'_>,
    context: &mut Context<'_>,
    plan: &RegionPlan,
) -> Result<(), RegionPlanError> {
    check(plan)?;
    let before = draft.state().region().get(&()).cloned();
    let mut region = match &before {
        Some(region) => region.as_ref().clone(),
        None => found(plan, context),
    };
    let new: Vec<&Zone> = plan
        .zones
        .iter()
        .filter(|zone| region.subnets.iter().all(|it| it.zone != **zone))
        .collect();
    let wanted = region.subnets.len() + new.len();
    let max = (1 << SUBNET_BITS) - 1;
    if wanted > max {
        return Err(RegionPlanError::TooManyZones { wanted, max });
    }
    for zone in new {
        let subnet = subnet(&region, zone, context);
        region.subnets.push(subnet);
    }
    region.subnets.sort_by(|a, b| a.zone.cmp(&b.zone));
    if before.as_deref() != Some(&region) {
        draft.change(Change::from(region));
    }
    if before.is_none() {
        let name = ClusterName::parse("default").expect("follows the rule of cluster names");
        draft.change(Change::from(ecs::first_cluster(name, draft.state(), context)));
        let key = credentials::long_lived(Purpose::Root, context.now, context.dice);
        draft.change(Change::from(key));
    }
    if draft.state().authority().is_empty() {
        let fresh = authority::found(draft.state(), context);
        draft.change(Change::from(fresh));
    }
    Ok(())
}

fn check(plan: &RegionPlan) -> Result<(), RegionPlanError> {
    if plan.zones.is_empty() {
        return Err(RegionPlanError::NoZone);
    }
    let prefixes = 16..=24;
    if !prefixes.contains(&plan.vpc_prefix) || plan.vpc_base & (u32::MAX >> plan.vpc_prefix) != 0 {
        return Err(RegionPlanError::BadVpc);
    }
    assert!(prefixes.end() + SUBNET_BITS <= SUBNET_PREFIX_MAX, "subnets have room for addresses");
    Ok(())
}

fn found(plan: &RegionPlan, context: &mut Context<'_>) -> RegionRow {
    RegionRow {
        vpc: identifier("vpc", context),
        vpc_base: plan.vpc_base,
        vpc_prefix: plan.vpc_prefix,
        security_group: identifier("sg", context),
        subnets: Vec::new(),
        audited: 0,
    }
}

/// The next free subnet of the VPC: subnets are never taken away, so their number is its place. The
/// first sixteenth is the gateway's.
fn subnet(region: &RegionRow, zone: &Zone, context: &mut Context<'_>) -> Subnet {
    let prefix = region.vpc_prefix + SUBNET_BITS;
    let place = u32::try_from(region.subnets.len()).expect("at most fifteen");
    let base = region.vpc_base + ((place + 1) << (u32::BITS - u32::from(prefix)));
    Subnet { id: identifier("subnet", context), zone: zone.clone(), base, prefix }
}

/// An identifier as EC2 makes them: prefix and 17 hexadecimal digits.
fn identifier(prefix: &str, context: &mut Context<'_>) -> String {
    let digits = context.dice.bits() >> 60;
    format!("{prefix}-{digits:017x}")
}

#[cfg(test)]
mod tests {
    use state::State;
    use types::Timestamp;

    use super::*;
    use crate::fixture::{self, Fixture};

    fn plan(zones: &[&str]) -> RegionPlan {
        RegionPlan {
            zones: zones.iter().map(|it| Zone::parse(it).expect("valid")).collect(),
            vpc_base: 0xac1f_0000,
            vpc_prefix: 16,
        }
    }

    fn start(region: &mut Fixture, plan: &RegionPlan) -> Result<(), RegionPlanError> {
        region.step(|draft, context| first_start(draft, context, plan))
    }

    #[test]
    fn a_region_is_founded_once() {
        let mut region = Fixture::of(State::new(fixture::home()));
        start(&mut region, &plan(&["us-east-1a", "us-east-1b"])).expect("starts");
        let first = region.state.clone();
        assert_eq!(first.clusters().len(), 1);
        let key = first.access_keys().values().next().expect("the root key");
        assert_eq!((key.id.len(), key.secret.len()), (20, 40));
        assert_eq!(key.created_at, Timestamp(fixture::NOON));
        assert!(first.authority().contains_key(&()));

        start(&mut region, &plan(&["us-east-1a", "us-east-1b"])).expect("starts again");
        assert_eq!(region.state, first);
    }

    #[test]
    fn a_new_zone_gets_a_subnet_of_its_own() {
        let mut region = Fixture::of(State::new(fixture::home()));
        start(&mut region, &plan(&["b"])).expect("starts");
        start(&mut region, &plan(&["a", "c"])).expect("starts again");
        let row = region.state.region().get(&()).expect("founded");
        let shown: Vec<_> = row
            .subnets
            .iter()
            .map(|it| format!("{} {:x}/{}", it.zone, it.base, it.prefix))
            .collect();
        assert_eq!(shown, ["a ac1f2000/20", "b ac1f1000/20", "c ac1f3000/20"]);
    }

    #[test]
    fn a_plan_that_cannot_be_followed_changes_nothing() {
        let mut region = Fixture::of(State::new(fixture::home()));
        let before = region.state.clone();
        let many: Vec<String> = (0..17).map(|it| format!("z{it}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for bad in [
            plan(&[]),
            plan(&many),
            RegionPlan { vpc_prefix: 25, ..plan(&["a"]) },
            RegionPlan { vpc_base: 0xac1f_0001, ..plan(&["a"]) },
        ] {
            assert!(start(&mut region, &bad).is_err(), "{bad:?}");
            assert_eq!(region.state, before);
        }
    }
}
