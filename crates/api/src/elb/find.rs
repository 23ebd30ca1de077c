//! Load balancers by their names, and what they have.

use std::sync::Arc;

use state::{ClassicListener, ClassicLoadBalancer, State};
use types::Home;

use super::Error;

/// The ARN of a load balancer, which its own operations do not know.
///
/// Source: Service Authorization Reference, "AWS Elastic Load Balancing".
pub(crate) fn arn(home: &Home, name: &str) -> String {
    let (region, account) = (&home.region, &home.account);
    format!("arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{name}")
}

/// A load balancer by name.
pub(super) fn load_balancer<'a>(
    state: &'a State,
    name: Option<&str>,
) -> Result<&'a Arc<ClassicLoadBalancer>, Error> {
    let name = name.unwrap_or_default();
    state.classic_load_balancers().get(name).ok_or_else(|| {
        Error::LoadBalancerNotFound(format!("There is no ACTIVE Load Balancer named '{name}'"))
    })
}

/// The same, to be changed.
pub(super) fn copy(state: &State, name: Option<&str>) -> Result<ClassicLoadBalancer, Error> {
    Ok(load_balancer(state, name)?.as_ref().clone())
}

/// The listener of that port.
pub(super) fn listener(
    of: &mut ClassicLoadBalancer,
    port: Option<i32>,
) -> Result<&mut ClassicListener, Error> {
    let port = port.unwrap_or_default();
    let name = &of.name;
    let refusal = Error::ListenerNotFound(format!(
        "There is no listener on port {port} of load balancer {name}"
    ));
    of.listeners.iter_mut().find(|it| i32::from(it.port) == port).ok_or(refusal)
}
