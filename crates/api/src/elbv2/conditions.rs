//! Conditions and transforms of rules: from requests, checked.
//!
//! Source: Application Load Balancers User Guide, "Condition types for listener rules";
//! handbook 7.2.

use std::net::IpAddr;

use plan::routing;
use shapes::elbv2 as shape;
use state::{Cidr, Condition, QueryPattern, Transform};

use super::Error;

/// Values of one rule, and wildcards in them. Source: handbook 7.1.
const VALUES_MAX: usize = 5;
const WILDCARDS_MAX: usize = 5;
/// Characters of one value. Source: handbook 7.2.
const VALUE_CHARS_MAX: usize = 128;
/// Characters of a header's name and of a method. Source: handbook 7.2.
const NAME_CHARS_MAX: usize = 40;
/// Characters of a regular expression and its replacement. Source: handbook 7.2.
const REGEX_CHARS_MAX: usize = 1_024;
/// What paths are made of, beside letters and digits. Source: handbook 7.2.
const PATH_CHARS: &str = "_-.$/~\"'@:+&*?\\";

/// Reads the conditions of a rule: at least one, of some kinds at most one.
///
/// # Errors
///
/// What AWS refuses.
pub(super) fn parse(conditions: &[shape::RuleCondition]) -> Result<Vec<Condition>, Error> {
    if conditions.is_empty() {
        return Err(Error::invalid("A condition must be specified"));
    }
    let parsed: Vec<Condition> = conditions.iter().map(one).collect::<Result<_, _>>()?;
    for field in ["host-header", "path-pattern", "http-request-method", "source-ip"] {
        let same = conditions.iter().filter(|it| it.field.as_deref() == Some(field)).count();
        if same > 1 {
            return Err(Error::invalid(format!("A rule can only have one '{field}' condition")));
        }
    }
    let texts: Vec<&str> = parsed.iter().flat_map(texts_of).collect();
    let ranges = parsed.iter().map(ranges_of).sum::<usize>();
    if texts.len() + ranges > VALUES_MAX {
        return Err(Error::invalid(format!(
            "A rule can only have '{VALUES_MAX}' condition values"
        )));
    }
    let is_pattern = |it: &&Condition| !is_regex(it) && !matches!(it, Condition::Method(_));
    let wildcards: usize =
        parsed.iter().filter(is_pattern).flat_map(texts_of).map(wildcards_in).sum();
    if wildcards > WILDCARDS_MAX {
        return Err(Error::invalid(format!(
            "Rules can have at most {WILDCARDS_MAX} wildcard characters"
        )));
    }
    Ok(parsed)
}

fn one(condition: &shape::RuleCondition) -> Result<Condition, Error> {
    let short = condition.values.clone().unwrap_or_default();
    let short_regex = condition.regex_values.clone().unwrap_or_default();
    let field = condition.field.as_deref().unwrap_or_default();
    match field {
        "host-header" => {
            let config = condition.host_header_config.clone().unwrap_or_default();
            match either(short, short_regex, config.values, config.regex_values, field)? {
                Given::Patterns(values) => {
                    values.iter().try_for_each(|it| check_host(it))?;
                    Ok(Condition::Host(values))
                }
                Given::Expressions(values) => Ok(Condition::HostRegex(values)),
            }
        }
        "path-pattern" => {
            let config = condition.path_pattern_config.clone().unwrap_or_default();
            match either(short, short_regex, config.values, config.regex_values, field)? {
                Given::Patterns(values) => {
                    values.iter().try_for_each(|it| check_path(it))?;
                    Ok(Condition::Path(values))
                }
                Given::Expressions(values) => Ok(Condition::PathRegex(values)),
            }
        }
        "http-header" => header(condition.http_header_config.clone().unwrap_or_default()),
        "http-request-method" => {
            let config = condition.http_request_method_config.clone();
            let config = config.ok_or_else(|| without("HttpRequestMethodConfig", field))?;
            methods(config.values.unwrap_or_default())
        }
        "query-string" => {
            let config = condition.query_string_config.clone();
            let config = config.ok_or_else(|| without("QueryStringConfig", field))?;
            query(config.values.unwrap_or_default())
        }
        "source-ip" => {
            let config = condition.source_ip_config.clone();
            let config = config.ok_or_else(|| without("SourceIpConfig", field))?;
            let ranges = config.values.unwrap_or_default();
            if ranges.is_empty() {
                return Err(valueless(field));
            }
            let ranges = ranges.iter().map(|it| range(it)).collect::<Result<_, _>>()?;
            Ok(Condition::SourceIp(ranges))
        }
        other => Err(Error::invalid(format!(
            "Condition field '{other}' must be one of '[path-pattern, \
             host-header, http-header, http-request-method, query-string, source-ip]'"
        ))),
    }
}

enum Given {
    Patterns(Vec<String>),
    Expressions(Vec<String>),
}

/// What a condition says in its short or its long form.
fn either(
    short: Vec<String>,
    short_regex: Vec<String>,
    long: Option<Vec<String>>,
    long_regex: Option<Vec<String>>,
    field: &str,
) -> Result<Given, Error> {
    let mut given = [short, long.unwrap_or_default()].into_iter().filter(|it| !it.is_empty());
    let mut expressions =
        [short_regex, long_regex.unwrap_or_default()].into_iter().filter(|it| !it.is_empty());
    match (given.next(), given.next(), expressions.next(), expressions.next()) {
        (Some(values), None, None, None) => {
            values.iter().try_for_each(|it| check_length(field, it, VALUE_CHARS_MAX))?;
            Ok(Given::Patterns(values))
        }
        (None, None, Some(values), None) => {
            values.iter().try_for_each(|it| check_regex(field, it))?;
            Ok(Given::Expressions(values))
        }
        (None, None, None, None) => Err(missing()),
        _ => Err(Error::invalid(format!(
            "You cannot specify values of a '{field}' condition in more than one way"
        ))),
    }
}

fn missing() -> Error {
    Error::invalid("A condition value must be specified")
}

fn valueless(field: &str) -> Error {
    Error::invalid(format!("A '{field}' value must be specified"))
}

fn without(config: &str, field: &str) -> Error {
    Error::invalid(format!("A '{config}' must be specified with '{field}'"))
}

fn header(config: shape::HttpHeaderConditionConfig) -> Result<Condition, Error> {
    let name = config.http_header_name.unwrap_or_default().to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    check_length("HttpHeaderName", &name, NAME_CHARS_MAX)?;
    if !name.bytes().all(is_token) {
        return Err(Error::invalid("The header name of a condition is not valid"));
    }
    if name == "host" {
        return Err(Error::invalid("Use a host-header condition for the 'Host' header"));
    }
    match either(vec![], vec![], config.values, config.regex_values, "http-header")? {
        Given::Patterns(values) => Ok(Condition::Header { name, values }),
        Given::Expressions(values) => Ok(Condition::HeaderRegex { name, values }),
    }
}

fn methods(values: Vec<String>) -> Result<Condition, Error> {
    if values.is_empty() {
        return Err(valueless("http-request-method"));
    }
    values.iter().try_for_each(|it| check_length("http-request-method", it, NAME_CHARS_MAX))?;
    let good =
        |it: &String| it.bytes().all(|it| it.is_ascii_uppercase() || matches!(it, b'-' | b'_'));
    if values.iter().all(good) {
        return Ok(Condition::Method(values));
    }
    Err(Error::invalid(
        "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and \
         underscore",
    ))
}

fn query(values: Vec<shape::QueryStringKeyValuePair>) -> Result<Condition, Error> {
    if values.is_empty() {
        return Err(valueless("query-string"));
    }
    let pair = |it: shape::QueryStringKeyValuePair| {
        let value = it.value.ok_or_else(|| {
            Error::invalid("A 'Value' must be specified in 'QueryStringKeyValuePair'")
        })?;
        let key = it.key.filter(|it| !it.is_empty());
        check_length("Value", &value, VALUE_CHARS_MAX)?;
        key.iter().try_for_each(|it| check_length("Key", it, VALUE_CHARS_MAX))?;
        Ok(QueryPattern { key, value })
    };
    values.into_iter().map(pair).collect::<Result<_, Error>>().map(Condition::Query)
}

fn range(text: &str) -> Result<Cidr, Error> {
    let refusal = || Error::invalid(format!("'{text}' is not a valid CIDR block"));
    let (base, prefix) = text.split_once('/').ok_or_else(refusal)?;
    let base: IpAddr = base.parse().map_err(|_| refusal())?;
    let prefix: u8 = prefix.parse().map_err(|_| refusal())?;
    if prefix > if base.is_ipv4() { 32 } else { 128 } {
        return Err(refusal());
    }
    Ok(Cidr { base, prefix })
}

fn check_length(field: &str, value: &str, most: usize) -> Result<(), Error> {
    if value.is_empty() {
        return Err(missing());
    }
    if value.chars().count() > most {
        return Err(Error::invalid(format!(
            "The '{field}' value is too long; the limit is '{most}'"
        )));
    }
    Ok(())
}

/// At least one dot, and letters only behind the last one (handbook 7.2).
fn check_host(value: &str) -> Result<(), Error> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "-.*?".contains(it);
    let last = value.rsplit_once('.').map(|it| it.1);
    let good_end = last.is_some_and(|it| {
        !it.is_empty() && it.chars().all(|it| it.is_ascii_alphabetic() || it == '*' || it == '?')
    });
    if good_end && value.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(format!("Condition value '{value}' is not a valid host name pattern")))
}

fn check_path(value: &str) -> Result<(), Error> {
    let good = |it: char| it.is_ascii_alphanumeric() || PATH_CHARS.contains(it);
    if value.chars().all(good) {
        return Ok(());
    }
    Err(Error::invalid(format!("Condition value '{value}' contains a character that is not valid")))
}

fn check_regex(field: &str, text: &str) -> Result<(), Error> {
    check_length(field, text, VALUE_CHARS_MAX)?;
    if routing::is_expression(text) {
        return Ok(());
    }
    Err(Error::invalid(format!("'{text}' is not a valid regular expression")))
}

fn texts_of(condition: &Condition) -> Vec<&str> {
    match condition {
        Condition::Host(values)
        | Condition::Path(values)
        | Condition::Method(values)
        | Condition::HostRegex(values)
        | Condition::PathRegex(values)
        | Condition::Header { values, .. }
        | Condition::HeaderRegex { values, .. } => values.iter().map(String::as_str).collect(),
        Condition::Query(pairs) => pairs.iter().map(|it| it.value.as_str()).collect(),
        Condition::SourceIp(_) => Vec::new(),
    }
}

fn ranges_of(condition: &Condition) -> usize {
    match condition {
        Condition::SourceIp(ranges) => ranges.len(),
        _ => 0,
    }
}

fn is_regex(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::HostRegex(_) | Condition::PathRegex(_) | Condition::HeaderRegex { .. }
    )
}

/// Wildcards that are not escaped.
fn wildcards_in(text: &str) -> usize {
    let mut escaped = false;
    text.chars()
        .filter(|it| {
            let counts = matches!(it, '*' | '?') && !escaped;
            escaped = *it == '\\' && !escaped;
            counts
        })
        .count()
}

/// Reads the transforms of a rule: at most one of each kind.
///
/// # Errors
///
/// What AWS refuses.
pub(super) fn transforms(asked: &[shape::RuleTransform]) -> Result<Vec<Transform>, Error> {
    let mut parsed = Vec::new();
    for transform in asked {
        let kind = transform.r#type.as_ref().map_or("", |it| it.as_str());
        let rewrites = match kind {
            "host-header-rewrite" => {
                transform.host_header_rewrite_config.clone().unwrap_or_default().rewrites
            }
            "url-rewrite" => transform.url_rewrite_config.clone().unwrap_or_default().rewrites,
            other => return Err(Error::invalid(format!("'{other}' is not a transform type"))),
        };
        let [rewrite] = rewrites.unwrap_or_default().try_into().map_err(|_: Vec<_>| {
            Error::invalid(format!("A '{kind}' transform needs exactly one rewrite"))
        })?;
        let shape::RewriteConfig { regex, replace } = rewrite;
        let (regex, replacement) = (regex.unwrap_or_default(), replace.unwrap_or_default());
        check_length(kind, &regex, REGEX_CHARS_MAX)?;
        if replacement.chars().count() > REGEX_CHARS_MAX || !routing::is_expression(&regex) {
            return Err(Error::invalid(format!("The rewrite of '{kind}' is not valid")));
        }
        parsed.push(match kind {
            "host-header-rewrite" => Transform::Host { regex, replacement },
            _ => Transform::Url { regex, replacement },
        });
    }
    let hosts = parsed.iter().filter(|it| matches!(it, Transform::Host { .. })).count();
    if hosts > 1 || parsed.len() - hosts > 1 {
        return Err(Error::invalid("A rule can have one transform of each type"));
    }
    Ok(parsed)
}
