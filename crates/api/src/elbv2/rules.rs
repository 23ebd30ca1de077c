//! Rules of listeners.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shapes::elbv2 as shape;
use shapes::stored;
use state::{Change, Context, Draft, LoadBalancerKind, Rule, State};

use super::error::PAGE;
use super::{Error, actions, conditions, find, listeners, tags, view};
use crate::page::Page;

/// Rules of one load balancer, default rules not counted. Source: handbook 7.1.
const RULES_MAX: usize = 100;

/// `CreateRule`.
///
/// # Errors
///
/// [`Error::PriorityInUse`], [`Error::TooManyRules`], and what conditions and actions may not be.
pub(super) fn create_rule(
    draft: &mut Draft<'_>,
    ask: shape::CreateRuleInput,
    context: &mut Context<'_>,
) -> Result<shape::CreateRuleOutput, Error> {
    let state = draft.state();
    let listener = find::listener(state, ask.listener_arn.as_deref())?.clone();
    let load_balancer = find::of_listener(state, &listener)?;
    if load_balancer.kind == LoadBalancerKind::Network {
        return Err(Error::UnsupportedProtocol(
            "Rules are not supported for listeners of network load balancers".into(),
        ));
    }
    let priority = ask.priority.unwrap_or_default().unsigned_abs();
    if find::rules(state, &listener.arn).any(|it| it.priority == Some(priority)) {
        return Err(Error::PriorityInUse(format!("Priority '{priority}' is currently in use")));
    }
    let listeners = find::listeners(state, &load_balancer.arn);
    let count = listeners
        .flat_map(|it| find::rules(state, &it.arn))
        .filter(|it| it.priority.is_some())
        .count();
    if count >= RULES_MAX {
        return Err(Error::TooManyRules(format!(
            "A load balancer can have at most {RULES_MAX} rules"
        )));
    }
    let tail = listener.arn.split_once(":listener/").map_or("", |it| it.1);
    let rule = Rule {
        arn: find::new_arn(state, &format!("listener-rule/{tail}"), context),
        listener: listener.arn.clone(),
        priority: Some(priority),
        conditions: conditions::parse(ask.conditions.as_deref().unwrap_or_default())?,
        action: actions::parse(
            state,
            ask.actions.as_deref().unwrap_or_default(),
            load_balancer.kind,
        )?,
        transforms: conditions::transforms(ask.transforms.as_deref().unwrap_or_default())?,
        tags: tags::parse(ask.tags.clone())?,
        spec: stored::to_vec(&shape::CreateRuleInput {
            actions: ask.actions,
            conditions: ask.conditions,
            transforms: ask.transforms,
            ..Default::default()
        }),
    };
    listeners::check_protocols(state, listener.protocol, &rule.action)?;
    view::check_groups(state, &load_balancer.arn, &rule.action)?;
    draft.change(Change::from(rule.clone()));
    Ok(shape::CreateRuleOutput { rules: Some(vec![view::rule(&rule)]) })
}

/// `DeleteRule`. A rule that is gone is not found.
///
/// # Errors
///
/// [`Error::OperationNotPermitted`] for a default rule.
pub(super) fn delete_rule(
    draft: &mut Draft<'_>,
    ask: shape::DeleteRuleInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteRuleOutput, Error> {
    let rule = find::rule(draft.state(), ask.rule_arn.as_deref())?.clone();
    if rule.priority.is_none() {
        return Err(Error::OperationNotPermitted(format!(
            "Default rule '{}' cannot be deleted",
            rule.arn
        )));
    }
    draft.change(Change::Rule(rule.arn.clone(), None));
    Ok(shape::DeleteRuleOutput {})
}

/// `DescribeRules`: of one listener, or those named.
///
/// # Errors
///
/// [`Error::RuleNotFound`], [`Error::ListenerNotFound`].
pub(super) fn describe_rules(
    state: &State,
    ask: shape::DescribeRulesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeRulesOutput, Error> {
    let named = ask.rule_arns.unwrap_or_default();
    let mut rules: Vec<&Arc<Rule>> = match (&ask.listener_arn, named.as_slice()) {
        (Some(arn), []) => {
            let listener = find::listener(state, Some(arn))?;
            find::rules(state, &listener.arn).collect()
        }
        (None, [_, ..]) => {
            let with_arn = |arn: &String| match find::rule(state, Some(arn)) {
                Err(Error::RuleNotFound(_)) => {
                    Err(Error::RuleNotFound("One or more rules not found".into()))
                }
                other => other,
            };
            named.iter().map(with_arn).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(Error::invalid(
                "You must specify either listener rule ARNs or a listener ARN",
            ));
        }
    };
    // In the order in which they are asked; a page begins behind the last one of the page before.
    let place = |it: &Arc<Rule>| format!("{:08}{}", it.priority.unwrap_or(u32::MAX), it.arn);
    rules.sort_by_key(|it| place(it));
    rules.dedup_by(|a, b| a.arn == b.arn);
    let scope = format!("DescribeRules {:?}", ask.listener_arn);
    let page = Page::parse(scope, ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = rules.into_iter().filter(|it| page.after().is_none_or(|after| &*place(it) > after));
    let (rules, next_marker) = page.cut(rest, |it| place(it));
    Ok(shape::DescribeRulesOutput {
        rules: Some(rules.into_iter().map(|it| view::rule(it)).collect()),
        next_marker,
    })
}

/// `ModifyRule`: what is given replaces what was.
///
/// # Errors
///
/// [`Error::OperationNotPermitted`] for a default rule.
pub(super) fn modify_rule(
    draft: &mut Draft<'_>,
    ask: shape::ModifyRuleInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyRuleOutput, Error> {
    let state = draft.state();
    let mut rule = find::rule(state, ask.rule_arn.as_deref())?.as_ref().clone();
    if rule.priority.is_none() {
        return Err(Error::OperationNotPermitted(format!(
            "Default rule '{}' cannot be modified; modify its listener",
            rule.arn
        )));
    }
    let listener = find::listener(state, Some(&rule.listener))?;
    let load_balancer = find::of_listener(state, listener)?;
    let mut spec = view::spec(&rule);
    if let Some(asked) = ask.conditions {
        rule.conditions = conditions::parse(&asked)?;
        spec.conditions = Some(asked);
    }
    if let Some(asked) = ask.actions {
        rule.action = actions::parse(state, &asked, load_balancer.kind)?;
        listeners::check_protocols(state, listener.protocol, &rule.action)?;
        view::check_groups(state, &load_balancer.arn, &rule.action)?;
        spec.actions = Some(asked);
    }
    match (ask.transforms, ask.reset_transforms) {
        (Some(_), Some(true)) => {
            return Err(Error::invalid("You cannot both set and reset transforms"));
        }
        (Some(asked), _) => {
            rule.transforms = conditions::transforms(&asked)?;
            spec.transforms = Some(asked);
        }
        (None, Some(true)) => {
            rule.transforms = Vec::new();
            spec.transforms = None;
        }
        (None, _) => {}
    }
    rule.spec = stored::to_vec(&spec);
    draft.change(Change::from(rule.clone()));
    Ok(shape::ModifyRuleOutput { rules: Some(vec![view::rule(&rule)]) })
}

/// `SetRulePriorities`: all at once, so that rules can trade places.
///
/// # Errors
///
/// [`Error::PriorityInUse`] for two rules of one listener at one priority.
pub(super) fn set_rule_priorities(
    draft: &mut Draft<'_>,
    ask: shape::SetRulePrioritiesInput,
    _: &mut Context<'_>,
) -> Result<shape::SetRulePrioritiesOutput, Error> {
    let state = draft.state();
    let mut changed: BTreeMap<String, Rule> = BTreeMap::new();
    for pair in ask.rule_priorities.unwrap_or_default() {
        let rule = find::rule(state, pair.rule_arn.as_deref())?;
        if rule.priority.is_none() {
            return Err(Error::OperationNotPermitted(format!(
                "The priority of default rule '{}' cannot be changed",
                rule.arn
            )));
        }
        let Some(priority) = pair.priority else {
            return Err(Error::invalid("A priority must be specified"));
        };
        let rule = Rule { priority: Some(priority.unsigned_abs()), ..rule.as_ref().clone() };
        if let Some(twice) = changed.insert(rule.arn.clone(), rule) {
            return Err(Error::invalid(format!("Rule '{}' is named twice", twice.arn)));
        }
    }
    let listeners: BTreeSet<&String> = changed.values().map(|it| &it.listener).collect();
    for listener in listeners {
        let mut taken = BTreeSet::new();
        for rule in find::rules(state, listener) {
            let rule = changed.get(&rule.arn).unwrap_or(rule);
            if let Some(priority) = rule.priority
                && !taken.insert(priority)
            {
                return Err(Error::PriorityInUse(format!(
                    "Priority '{priority}' is currently in use"
                )));
            }
        }
    }
    let rules = changed.values().map(view::rule).collect();
    for rule in changed.into_values() {
        draft.change(Change::from(rule));
    }
    Ok(shape::SetRulePrioritiesOutput { rules: Some(rules) })
}
