//! What questions about names look for: zones by name, and the services and instances of Cloud Map.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{
    DiscoveryInstance, DiscoveryInstanceKey, DiscoveryService, HostedZone, Namespace,
};

/// The indexes of names. Every look-up is a logarithm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    /// Ids of hosted zones by their names; of one name private ones come first.
    zones: BTreeMap<String, BTreeSet<(Public, String)>>,
    /// Namespaces by the hosted zones that belong to them.
    owners: BTreeMap<String, String>,
    /// Namespaces by the names that DiscoverInstances knows.
    namespaces: BTreeMap<String, String>,
    /// Services by namespace and name.
    services: BTreeMap<(String, String), String>,
    /// Services with records by namespace and name in lower case, labels from the right.
    names: BTreeMap<(String, String), String>,
    /// Ids of instances by service, in order.
    registered: BTreeMap<String, Vec<String>>,
    /// Those of them that are healthy.
    healthy: BTreeMap<String, Vec<String>>,
    /// Instances whose ids have capital letters, by service and id in lower case: names have none.
    spellings: BTreeMap<DiscoveryInstanceKey, BTreeSet<String>>,
}

type Public = bool;

impl Discovery {
    /// The hosted zone of that name, which is in lower case with a dot at its end; of several the
    /// first private one.
    pub fn zone_named(&self, name: &str) -> Option<&String> {
        self.zones.get(name)?.first().map(|(_, id)| id)
    }

    /// The namespace that a hosted zone belongs to.
    pub fn namespace_of_zone(&self, zone: &str) -> Option<&String> {
        self.owners.get(zone)
    }

    /// The namespace that DiscoverInstances knows by that name.
    pub fn namespace_named(&self, name: &str) -> Option<&String> {
        self.namespaces.get(name)
    }

    /// The service of a namespace by its name as it was given.
    pub fn service_named(&self, namespace: &str, name: &str) -> Option<&String> {
        self.services.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Ids of the services of a namespace, in order of their names.
    pub fn services_of(&self, namespace: &str) -> impl Iterator<Item = &String> {
        let id = namespace.to_owned();
        let rest = self.services.range((id.clone(), String::new())..);
        rest.take_while(move |(key, _)| key.0 == id).map(|(_, service)| service)
    }

    /// Services of a namespace that have records, by their names in lower case with labels from the
    /// right (`tcp.http.`), from one on.
    pub fn names_from(
        &self,
        namespace: &str,
        first: &str,
    ) -> impl Iterator<Item = (&String, &String)> {
        let id = namespace.to_owned();
        let rest = self.names.range((id.clone(), first.to_owned())..);
        rest.take_while(move |(key, _)| key.0 == id).map(|(key, service)| (&key.1, service))
    }

    /// Ids of the instances of a service, in order.
    pub fn registered(&self, service: &str) -> &[String] {
        self.registered.get(service).map_or(&[], Vec::as_slice)
    }

    /// Ids of those instances of a service that clients may be sent to, in order.
    pub fn healthy(&self, service: &str) -> &[String] {
        self.healthy.get(service).map_or(&[], Vec::as_slice)
    }

    /// An instance with capital letters in its id by the id in lower case.
    pub fn spelling(&self, service: &str, id: &str) -> Option<&String> {
        let key = DiscoveryInstanceKey { service: service.to_owned(), id: id.to_owned() };
        self.spellings.get(&key)?.first()
    }

    pub(super) fn hosted_zone(&mut self, before: Option<&HostedZone>, after: Option<&HostedZone>) {
        let place = |it: &HostedZone| (it.vpcs.is_empty(), it.id.clone());
        if let Some(it) = before {
            super::drop_from(&mut self.zones, &it.name, &place(it));
        }
        if let Some(it) = after {
            self.zones.entry(it.name.clone()).or_default().insert(place(it));
        }
    }

    pub(super) fn namespace(&mut self, before: Option<&Namespace>, after: Option<&Namespace>) {
        if let Some(it) = before {
            forget_if(&mut self.namespaces, &it.http_name, &it.id);
            if let Some(zone) = it.kind.zone() {
                forget_if(&mut self.owners, &zone.to_owned(), &it.id);
            }
        }
        if let Some(it) = after {
            self.namespaces.insert(it.http_name.clone(), it.id.clone());
            if let Some(zone) = it.kind.zone() {
                self.owners.insert(zone.to_owned(), it.id.clone());
            }
        }
    }

    pub(super) fn service(
        &mut self,
        before: Option<&DiscoveryService>,
        after: Option<&DiscoveryService>,
    ) {
        let own = |it: &DiscoveryService| (it.namespace.clone(), it.name.clone());
        let dns = |it: &DiscoveryService| (it.namespace.clone(), reversed(&it.name));
        if let Some(it) = before {
            forget_if(&mut self.services, &own(it), &it.id);
            forget_if(&mut self.names, &dns(it), &it.id);
        }
        if let Some(it) = after {
            self.services.insert(own(it), it.id.clone());
            if it.dns.is_some() {
                self.names.insert(dns(it), it.id.clone());
            }
        }
    }

    pub(super) fn instance(
        &mut self,
        before: Option<&DiscoveryInstance>,
        after: Option<&DiscoveryInstance>,
    ) {
        let lower = |it: &DiscoveryInstanceKey| {
            let id = it.id.to_ascii_lowercase();
            (id != it.id).then(|| DiscoveryInstanceKey { service: it.service.clone(), id })
        };
        if let Some(it) = before {
            take_out(&mut self.registered, &it.key);
            take_out(&mut self.healthy, &it.key);
            if let Some(key) = lower(&it.key) {
                super::drop_from(&mut self.spellings, &key, &it.key.id);
            }
        }
        if let Some(it) = after {
            put_in(&mut self.registered, &it.key);
            if it.is_healthy() {
                put_in(&mut self.healthy, &it.key);
            }
            if let Some(key) = lower(&it.key) {
                self.spellings.entry(key).or_default().insert(it.key.id.clone());
            }
        }
    }
}

/// Labels from the right, in lower case, each with a dot behind it.
fn reversed(name: &str) -> String {
    name.to_ascii_lowercase().rsplit('.').map(|it| it.to_owned() + ".").collect()
}

/// Takes away what still stands for this id: another record may have taken its place.
fn forget_if<K: Ord>(map: &mut BTreeMap<K, String>, key: &K, id: &str) {
    if map.get(key).is_some_and(|it| it == id) {
        map.remove(key);
    }
}

fn put_in(map: &mut BTreeMap<String, Vec<String>>, key: &DiscoveryInstanceKey) {
    let ids = map.entry(key.service.clone()).or_default();
    if let Err(place) = ids.binary_search(&key.id) {
        ids.insert(place, key.id.clone());
    }
}

fn take_out(map: &mut BTreeMap<String, Vec<String>>, key: &DiscoveryInstanceKey) {
    if let Some(ids) = map.get_mut(&key.service) {
        if let Ok(place) = ids.binary_search(&key.id) {
            ids.remove(place);
        }
        if ids.is_empty() {
            map.remove(&key.service);
        }
    }
}
