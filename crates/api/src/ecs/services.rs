//! Services: none can be made yet, and these operations say so truthfully.

use shapes::ecs as shape;
use state::{Context, State};

use super::page::{Page, TEN};
use super::{Error, find, view};

/// How many services one call describes. Source: handbook 2.1.
const DESCRIBED_MAX: usize = 10;

/// `ListServices`: an empty list, as no service exists.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for a bad page.
pub(crate) fn list_services(
    state: &State,
    ask: shape::ListServicesRequest,
    _: &Context<'_>,
) -> Result<shape::ListServicesResponse, Error> {
    find::cluster(state, ask.cluster.as_deref())?;
    Page::parse("ListServices", ask.next_token.as_deref(), ask.max_results, TEN)?;
    Ok(shape::ListServicesResponse { service_arns: Some(vec![]), next_token: None })
}

/// `DescribeServices`: every service asked for is missing.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for none or too many.
pub(crate) fn describe_services(
    state: &State,
    ask: shape::DescribeServicesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeServicesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?;
    let services = ask.services.unwrap_or_default();
    if services.is_empty() {
        return Err(Error::invalid("Services cannot be empty."));
    }
    if services.len() > DESCRIBED_MAX {
        return Err(Error::invalid(format!("Services cannot exceed {DESCRIBED_MAX} elements.")));
    }
    let home = state.home();
    let mut failures = Vec::new();
    for text in services {
        let tail = find::tail(state, &text, "service")?;
        let name = tail.rsplit('/').next().unwrap_or(tail);
        let (region, account) = (&home.region, &home.account);
        let arn = format!("arn:aws:ecs:{region}:{account}:service/{}/{name}", cluster.name);
        failures.push(view::failure(arn, "MISSING"));
    }
    Ok(shape::DescribeServicesResponse { services: Some(vec![]), failures: Some(failures) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn there_are_no_services() {
        let region = fixture::region();
        let list = |cluster: &str| {
            let ask =
                shape::ListServicesRequest { cluster: Some(cluster.into()), ..Default::default() };
            region.read(list_services, ask).map(|it| it.service_arns)
        };
        assert_eq!(list("default"), Ok(Some(vec![])));
        assert_eq!(list("nowhere"), Err(Error::ClusterNotFound));
    }

    #[test]
    fn every_service_is_missing() {
        let region = fixture::region();
        let describe = |names: &[&str]| {
            let services = Some(names.iter().map(|it| (*it).to_owned()).collect());
            let ask = shape::DescribeServicesRequest { services, ..Default::default() };
            region.read(describe_services, ask)
        };
        let arn = "arn:aws:ecs:us-east-1:123456789012:service/default/web";
        let missing = Some(vec![view::failure(arn.into(), "MISSING")]);
        assert_eq!(describe(&["web"]).map(|it| it.failures), Ok(missing.clone()));
        assert_eq!(describe(&[arn]).map(|it| it.failures), Ok(missing));
        assert!(describe(&[]).is_err());
        assert!(describe(&["x"; 11]).is_err());
    }
}
