//! Load balancers: made, described and deleted.

use core::time::Duration;
use std::collections::BTreeMap;

use plan::classic;
use shapes::elb as shape;
use state::{
    Change, ClassicAttributes, ClassicListener, ClassicLoadBalancer, Context, DesyncMode, Draft,
    Scheme, State,
};

use super::error::PAGE;
use super::limits::LOAD_BALANCERS_MAX;
use super::{Error, find, health_check, listeners, places, policies, tags, view};
use crate::page::Page;

/// Characters of a name. Source: API Reference, `CreateLoadBalancer`.
const NAME_MAX: usize = 32;

/// `CreateLoadBalancer`: one of that name and the same settings is answered as it is.
///
/// # Errors
///
/// [`Error::DuplicateLoadBalancerName`], [`Error::TooManyLoadBalancers`], and what is wrong with its
/// listeners, subnets, security groups and tags.
pub(super) fn create_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::CreateAccessPointInput,
    context: &mut Context<'_>,
) -> Result<shape::CreateAccessPointOutput, Error> {
    let state = draft.state();
    let name = name(ask.load_balancer_name.as_deref())?;
    let standing = state.classic_load_balancers().get(&name).cloned();
    let number = match &standing {
        Some(standing) => places::number(&standing.dns_name),
        None => 100_000_000 + context.dice.below(1_900_000_000),
    };
    let asked = parse(state, name, number, ask, context)?;
    if let Some(standing) = standing {
        if !is_as_asked(&standing, &asked) {
            return Err(Error::DuplicateLoadBalancerName(format!(
                "Load Balancer named {} already exists and it is configured with different \
                 parameters.",
                asked.name
            )));
        }
        return Ok(shape::CreateAccessPointOutput { dns_name: Some(standing.dns_name.clone()) });
    }
    if state.classic_load_balancers().len() >= LOAD_BALANCERS_MAX {
        return Err(Error::TooManyLoadBalancers(format!(
            "A region can have at most {LOAD_BALANCERS_MAX} Classic Load Balancers"
        )));
    }
    let dns_name = asked.dns_name.clone();
    draft.change(Change::from(asked));
    Ok(shape::CreateAccessPointOutput { dns_name: Some(dns_name) })
}

/// `DeleteLoadBalancer`: with its registrations, at once, as another of that name may be made next. One
/// that is gone is no error.
///
/// # Errors
///
/// None.
#[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
pub(super) fn delete_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::DeleteAccessPointInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteAccessPointOutput, Error> {
    let name = ask.load_balancer_name.unwrap_or_default();
    if draft.state().classic_load_balancers().contains_key(&name) {
        let registered: Vec<_> =
            classic::instances(draft.state(), &name).map(|it| it.key.clone()).collect();
        draft.change(Change::ClassicLoadBalancer(name, None));
        for key in registered {
            draft.change(Change::ClassicInstance(key, None));
        }
    }
    Ok(shape::DeleteAccessPointOutput {})
}

/// `DescribeLoadBalancers`: all, or those named.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_load_balancers(
    state: &State,
    ask: shape::DescribeAccessPointsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeAccessPointsOutput, Error> {
    let names = ask.load_balancer_names.unwrap_or_default();
    let mut found: Vec<&ClassicLoadBalancer> = if names.is_empty() {
        state.classic_load_balancers().values().map(AsRef::as_ref).collect()
    } else {
        let named = |name: &String| find::load_balancer(state, Some(name)).map(AsRef::as_ref);
        names.iter().map(named).collect::<Result<_, _>>()?
    };
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.dedup_by(|one, other| one.name == other.name);
    let page = Page::parse("DescribeLoadBalancers", ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = found.into_iter().filter(|it| page.after().is_none_or(|after| *it.name > *after));
    let (found, next_marker) = page.cut(rest, |it| it.name.clone());
    let shown = found.into_iter().map(|it| view::load_balancer(state, it)).collect();
    Ok(shape::DescribeAccessPointsOutput { load_balancer_descriptions: Some(shown), next_marker })
}

fn name(name: Option<&str>) -> Result<String, Error> {
    let name = name.unwrap_or_default();
    if name.is_empty() {
        return Err(Error::invalid("LoadBalancer name cannot be empty"));
    }
    if name.chars().count() > NAME_MAX {
        return Err(Error::invalid(format!(
            "LoadBalancer name cannot be longer than {NAME_MAX} characters"
        )));
    }
    let is_good = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    if !is_good || name.starts_with('-') || name.ends_with('-') {
        return Err(Error::invalid(
            "LoadBalancer name must contain only alphanumeric characters or hyphens, and must not \
             begin or end with a hyphen",
        ));
    }
    Ok(name.to_owned())
}

/// What a request asks for, under a number that its name in the DNS has.
fn parse(
    state: &State,
    name: String,
    number: u64,
    ask: shape::CreateAccessPointInput,
    context: &Context<'_>,
) -> Result<ClassicLoadBalancer, Error> {
    let scheme = match ask.scheme.as_deref().unwrap_or("internet-facing") {
        "internet-facing" => Scheme::InternetFacing,
        "internal" => Scheme::Internal,
        other => return Err(Error::InvalidScheme(format!("Invalid scheme '{other}'"))),
    };
    let mut policies = BTreeMap::new();
    let listeners = listeners::parse(state, &name, ask.listeners, &[])?;
    let Some(first) = listeners.first() else {
        return Err(Error::invalid("At least one Listener must be specified"));
    };
    let health_check = health_check::usual(first.instance_port);
    let wanted = places::wanted(state, ask.subnets, ask.availability_zones)?;
    let prefix = if scheme == Scheme::Internal { "internal-" } else { "" };
    let region = &state.home().region;
    let dns_name = format!("{prefix}{name}-{number}.{region}.elb.amazonaws.com");
    let standing = state.classic_load_balancers().get(&name);
    let has = standing.map_or(&[][..], |it| &it.nodes);
    let nodes = places::nodes(state, number, &wanted, has)?;
    let security_groups = places::security_groups(state, ask.security_groups)?;
    let tags = tags::parse(ask.tags)?;
    for listener in &listeners {
        policies::note_usual(&mut policies, listener);
    }
    Ok(ClassicLoadBalancer {
        name,
        dns_name,
        scheme,
        nodes,
        listeners: listeners::in_order(listeners),
        health_check,
        security_groups,
        attributes: ClassicAttributes {
            cross_zone: false,
            connection_draining: false,
            draining_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(1),
            desync: DesyncMode::Defensive,
        },
        policies,
        tags,
        created_at: context.now,
    })
}

/// Whether a load balancer still is what a repeated request asks for.
fn is_as_asked(standing: &ClassicLoadBalancer, asked: &ClassicLoadBalancer) -> bool {
    let listeners = |it: &ClassicLoadBalancer| -> Vec<ClassicListener> {
        let bare = |it: &ClassicListener| ClassicListener { policies: Vec::new(), ..it.clone() };
        it.listeners.iter().map(bare).collect()
    };
    standing.scheme == asked.scheme
        && standing.nodes == asked.nodes
        && standing.security_groups == asked.security_groups
        && standing.tags == asked.tags
        && listeners(standing) == listeners(asked)
}
