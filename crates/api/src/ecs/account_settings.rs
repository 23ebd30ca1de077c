//! Account settings: what an account or principal has chosen, and what holds where it has not.
//!
//! Source: Amazon ECS Developer Guide, "Account settings"; API Reference, `PutAccountSetting`.

use shapes::ecs as shape;
use state::{Change, Context, Draft, Setting, SettingKey, State};
use types::Arn;

use super::Error;
use super::page::{Page, TEN};

/// A setting: its name, its values, and the one that holds where nobody has chosen.
struct Known {
    name: &'static str,
    values: &'static [&'static str],
    default: &'static str,
}

const SWITCH: &[&str] = &["enabled", "disabled"];

/// The setting that AWS manages; nobody can put it.
const GUARD_DUTY: &str = "guardDutyActivate";

/// Every setting of the model, by name.
const KNOWN: [Known; 11] = [
    Known { name: "awsvpcTrunking", values: SWITCH, default: "disabled" },
    Known {
        name: "containerInsights",
        values: &["enabled", "disabled", "enhanced"],
        default: "disabled",
    },
    Known { name: "containerInstanceLongArnFormat", values: SWITCH, default: "enabled" },
    Known {
        name: "defaultLogDriverMode",
        values: &["blocking", "non-blocking"],
        default: "non-blocking",
    },
    Known { name: "fargateEventWindows", values: SWITCH, default: "disabled" },
    Known { name: "fargateFIPSMode", values: SWITCH, default: "disabled" },
    Known { name: "fargateTaskRetirementWaitPeriod", values: &["0", "7", "14"], default: "7" },
    Known { name: GUARD_DUTY, values: &["on", "off"], default: "off" },
    Known { name: "serviceLongArnFormat", values: SWITCH, default: "enabled" },
    Known { name: "tagResourceAuthorization", values: &["on", "off"], default: "off" },
    Known { name: "taskLongArnFormat", values: SWITCH, default: "enabled" },
];

/// The value that holds for a principal (its ARN): its own, else the account's, else the default.
/// `None` for a name that is no setting.
pub(crate) fn effective<'a>(state: &'a State, principal: &str, name: &str) -> Option<&'a str> {
    let known = KNOWN.iter().find(|it| it.name == name)?;
    let chosen = |principal: &str| {
        let key = SettingKey { principal: principal.to_owned(), name: name.to_owned() };
        state.settings().get(&key).map(|it| it.value.as_str())
    };
    chosen(owner(state, principal)).or_else(|| chosen("")).or(Some(known.default))
}

/// `PutAccountSetting`: for the caller, or for the principal named.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for an unknown name, value or principal.
pub(crate) fn put_account_setting(
    draft: &mut Draft<'_>,
    ask: shape::PutAccountSettingRequest,
    context: &mut Context<'_>,
) -> Result<shape::PutAccountSettingResponse, Error> {
    let principal = principal(draft.state(), ask.principal_arn, context)?;
    let setting = put(draft, principal, ask.name, ask.value)?;
    Ok(shape::PutAccountSettingResponse { setting: Some(setting) })
}

/// `PutAccountSettingDefault`: for everybody who has not chosen.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for an unknown name or value.
pub(crate) fn put_account_setting_default(
    draft: &mut Draft<'_>,
    ask: shape::PutAccountSettingDefaultRequest,
    _: &mut Context<'_>,
) -> Result<shape::PutAccountSettingDefaultResponse, Error> {
    let principal = root(draft.state());
    let setting = put(draft, principal, ask.name, ask.value)?;
    Ok(shape::PutAccountSettingDefaultResponse { setting: Some(setting) })
}

/// `DeleteAccountSetting`: what the account says holds again. A repeat changes nothing.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for an unknown name or principal.
pub(crate) fn delete_account_setting(
    draft: &mut Draft<'_>,
    ask: shape::DeleteAccountSettingRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteAccountSettingResponse, Error> {
    let principal = principal(draft.state(), ask.principal_arn, context)?;
    let name = known(ask.name)?.name;
    let owner = owner(draft.state(), &principal).to_owned();
    let key = SettingKey { principal: owner, name: name.to_owned() };
    if draft.state().settings().contains_key(&key) {
        draft.change(Change::Setting(key, None));
    }
    let value = effective(draft.state(), &principal, name).unwrap_or_default().to_owned();
    Ok(shape::DeleteAccountSettingResponse { setting: Some(view(name, value, &principal)) })
}

/// `ListAccountSettings`: those that the principal has chosen, or all with what holds.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for an unknown name, a value without a name, or a bad page.
pub(crate) fn list_account_settings(
    state: &State,
    ask: shape::ListAccountSettingsRequest,
    context: &Context<'_>,
) -> Result<shape::ListAccountSettingsResponse, Error> {
    let only = ask.name.map(|it| known(Some(it))).transpose()?;
    if ask.value.is_some() && only.is_none() {
        return Err(Error::invalid("You must specify a setting name to filter by value."));
    }
    let principal = principal(state, ask.principal_arn, context)?;
    let page = Page::parse("ListAccountSettings", ask.next_token.as_deref(), ask.max_results, TEN)?;
    let all = ask.effective_settings.unwrap_or(false);
    let settings = KNOWN
        .iter()
        .filter(|it| only.is_none_or(|only| only.name == it.name))
        .filter(|it| page.after().is_none_or(|after| it.name > after))
        .filter_map(|it| {
            let value = if all {
                effective(state, &principal, it.name)?
            } else {
                let owner = owner(state, &principal).to_owned();
                let key = SettingKey { principal: owner, name: it.name.to_owned() };
                &state.settings().get(&key)?.value
            };
            Some(view(it.name, value.to_owned(), &principal))
        })
        .filter(|it| ask.value.is_none() || it.value == ask.value);
    let name = |it: &shape::Setting| it.name.as_ref().map_or("", |it| it.as_str()).to_owned();
    let (settings, next_token) = page.cut(settings, name);
    Ok(shape::ListAccountSettingsResponse { settings: Some(settings), next_token })
}

fn put(
    draft: &mut Draft<'_>,
    principal: String,
    name: Option<shape::SettingName>,
    value: Option<String>,
) -> Result<shape::Setting, Error> {
    let known = known(name)?;
    let value = value.unwrap_or_default();
    if known.name == GUARD_DUTY {
        return Err(Error::invalid("The guardDutyActivate setting is managed by AWS."));
    }
    if !known.values.contains(&value.as_str()) {
        return Err(Error::invalid(format!(
            "Setting value should be one of: [{}]",
            known.values.join(", ")
        )));
    }
    let owner = owner(draft.state(), &principal).to_owned();
    let key = SettingKey { principal: owner, name: known.name.to_owned() };
    draft.change(Change::from(Setting { key, value: value.clone() }));
    Ok(view(known.name, value, &principal))
}

fn known(name: Option<shape::SettingName>) -> Result<&'static Known, Error> {
    let name = name.as_ref().map_or("", |it| it.as_str());
    KNOWN
        .iter()
        .find(|it| it.name == name)
        .ok_or_else(|| Error::invalid(format!("Invalid setting name: '{name}'.")))
}

/// The principal that a request is about: the caller unless it names another.
fn principal(state: &State, asked: Option<String>, context: &Context<'_>) -> Result<String, Error> {
    let Some(arn) = asked else { return Ok(context.caller.arn.to_string()) };
    let ours = Arn::parse(&arn)
        .is_some_and(|it| it.service == "iam" && it.account == state.home().account.as_str());
    if ours { Ok(arn) } else { Err(Error::invalid("The specified principal ARN is not valid.")) }
}

/// Whose row a principal's settings stand in: what root chooses holds for the account.
fn owner<'a>(state: &State, principal: &'a str) -> &'a str {
    if principal == root(state) { "" } else { principal }
}

fn root(state: &State) -> String {
    state.home().iam("root")
}

fn view(name: &str, value: String, principal: &str) -> shape::Setting {
    let kind = if name == GUARD_DUTY { "aws_managed" } else { "user" };
    shape::Setting {
        name: Some(name.into()),
        value: Some(value),
        principal_arn: Some(principal.to_owned()),
        r#type: Some(kind.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Fixture};

    const ANN: &str = "arn:aws:iam::123456789012:user/ann";

    fn put(region: &mut Fixture, who: Option<&str>, name: &str, value: &str) -> Result<(), Error> {
        let ask = shape::PutAccountSettingRequest {
            name: Some(name.into()),
            value: Some(value.into()),
            principal_arn: who.map(str::to_owned),
        };
        region.write(put_account_setting, ask).map(drop)
    }

    fn list(region: &Fixture, who: &str, all: bool) -> Vec<(String, String)> {
        let ask = shape::ListAccountSettingsRequest {
            principal_arn: Some(who.into()),
            effective_settings: Some(all),
            max_results: Some(100),
            ..Default::default()
        };
        let settings = region.read(list_account_settings, ask).expect("lists").settings;
        let pair =
            |it: shape::Setting| (it.name.expect("a name").to_string(), it.value.expect("a value"));
        settings.expect("settings").into_iter().map(pair).collect()
    }

    #[test]
    fn every_setting_of_the_model_is_known() {
        let mut ours: Vec<_> = KNOWN.iter().map(|it| it.name).collect();
        let mut models = shape::SettingName::KNOWN.to_vec();
        ours.sort_unstable();
        models.sort_unstable();
        assert_eq!(ours, models);
        assert!(KNOWN.iter().all(|it| it.values.contains(&it.default)));
        assert!(KNOWN.is_sorted_by_key(|it| it.name), "pages follow the names");
    }

    #[test]
    fn the_nearest_choice_holds() {
        let mut region = fixture::region();
        let holds = |region: &Fixture| {
            effective(&region.state, ANN, "containerInsights").expect("known").to_owned()
        };
        assert_eq!(holds(&region), "disabled");
        put(&mut region, None, "containerInsights", "enabled").expect("root chooses");
        assert_eq!(holds(&region), "enabled");
        put(&mut region, Some(ANN), "containerInsights", "enhanced").expect("ann chooses");
        assert_eq!(holds(&region), "enhanced");
        let ask = shape::DeleteAccountSettingRequest {
            name: Some("containerInsights".into()),
            principal_arn: Some(ANN.into()),
        };
        region.write(delete_account_setting, ask.clone()).expect("ann changes her mind");
        assert_eq!(holds(&region), "enabled");
        region.write(delete_account_setting, ask).expect("once more");
    }

    #[test]
    fn a_list_shows_choices_or_all_that_holds() {
        let mut region = fixture::region();
        put(&mut region, Some(ANN), "awsvpcTrunking", "enabled").expect("ann chooses");
        assert_eq!(list(&region, ANN, false), [("awsvpcTrunking".into(), "enabled".into())]);
        assert_eq!(list(&region, ANN, true).len(), KNOWN.len());
    }

    #[test]
    fn bad_settings_are_refused() {
        let mut region = fixture::region();
        for (name, value) in [
            ("moon", "enabled"),
            ("awsvpcTrunking", "on"),
            ("fargateTaskRetirementWaitPeriod", "8"),
            ("guardDutyActivate", "on"),
        ] {
            let answer = put(&mut region, None, name, value);
            assert!(matches!(answer, Err(Error::InvalidParameter(_))), "{name}={value}");
        }
        let stranger = Some("arn:aws:iam::210987654321:user/eve");
        assert!(put(&mut region, stranger, "awsvpcTrunking", "enabled").is_err());
    }

    #[test]
    fn settings_come_in_pages_of_ten() {
        let region = fixture::region();
        let ask = shape::ListAccountSettingsRequest {
            effective_settings: Some(true),
            ..Default::default()
        };
        let first = region.read(list_account_settings, ask.clone()).expect("lists");
        assert_eq!(first.settings.map(|it| it.len()), Some(10));
        let ask = shape::ListAccountSettingsRequest { next_token: first.next_token, ..ask };
        let rest = region.read(list_account_settings, ask).expect("lists");
        assert_eq!((rest.settings.map(|it| it.len()), rest.next_token), (Some(1), None));
    }
}
