//! What a network mode forbids: links, host names, resolvers.
//!
//! Source: handbook 3.6.

use shapes::ecs as shape;
use state::NetworkMode;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// Checks links, and the fields that only some modes have a meaning for.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    for container in asked.containers {
        if asked.network == NetworkMode::Awsvpc
            && let Some(field) = forbidden(container)
        {
            return Err(Error::client(format!(
                "{field} are not supported when networkMode=awsvpc."
            )));
        }
        links(asked, container)?;
    }
    proxy(asked)
}

/// The first field of a container that has no meaning with an interface of the task's own.
fn forbidden(container: &shape::ContainerDefinition) -> Option<&'static str> {
    let some = |it: &Option<Vec<String>>| it.as_ref().is_some_and(|it| !it.is_empty());
    let fields = [
        ("Links", some(&container.links)),
        ("Hostnames", container.hostname.as_ref().is_some_and(|it| !it.is_empty())),
        ("DNS servers", some(&container.dns_servers)),
        ("DNS search domains", some(&container.dns_search_domains)),
        ("Extra hosts", container.extra_hosts.as_ref().is_some_and(|it| !it.is_empty())),
        ("Containers with disabled networking", container.disable_networking == Some(true)),
    ];
    fields.into_iter().find(|(_, given)| *given).map(|(field, _)| field)
}

fn links(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let links = container.links.as_deref().unwrap_or_default();
    if !links.is_empty() && asked.network != NetworkMode::Bridge {
        return Err(Error::client("Links are only supported when networkMode=bridge."));
    }
    let name = asked::name(container);
    for link in links {
        let target = link.split(':').next().unwrap_or(link);
        if target == name || asked.container(target).is_none() {
            return Err(Error::client(format!(
                "Invalid 'links' setting for container '{name}': '{link}'."
            )));
        }
    }
    Ok(())
}

/// A proxy is one of the task's containers, in a network of the task's own.
fn proxy(asked: &Asked<'_>) -> Result<(), Error> {
    let Some(proxy) = &asked.ask.proxy_configuration else { return Ok(()) };
    let name = proxy.container_name.as_deref().unwrap_or_default();
    if asked.container(name).is_none() {
        return Err(Error::client(format!(
            "Invalid proxyConfiguration: unknown container '{name}'."
        )));
    }
    if asked.network != NetworkMode::Awsvpc {
        return Err(Error::client("proxyConfiguration requires networkMode=awsvpc."));
    }
    let has = |wanted: &str| {
        let properties = proxy.properties.as_deref().unwrap_or_default();
        properties.iter().any(|it| it.name.as_deref() == Some(wanted))
    };
    for property in ["AppPorts", "ProxyIngressPort", "ProxyEgressPort"] {
        if !has(property) {
            return Err(Error::client(format!("proxyConfiguration requires '{property}'.")));
        }
    }
    if !has("IgnoredUID") && !has("IgnoredGID") {
        return Err(Error::client("proxyConfiguration requires 'IgnoredUID' or 'IgnoredGID'."));
    }
    Ok(())
}
