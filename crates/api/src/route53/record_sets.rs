//! Record sets: those that every zone has, and the list of a zone's.

use plan::names;
use shapes::route53 as shape;
use state::{Answer, Context, HostedZone, RecordSet, RecordSetKey, State};

use super::zones::{cut, find, size};
use super::{Error, view};

/// How many sets a list gives at most. Source: API Reference, `ListResourceRecordSets`.
const ITEMS_MAX: usize = 300;
/// How long the sets of a new zone may be kept, in seconds. Source: Route 53 Developer Guide, "NS and
/// SOA records that Amazon Route 53 creates for a public hosted zone".
const NS_TTL: u32 = 172_800;
const SOA_TTL: u32 = 900;

/// The key of a set with simple routing, by the name in its own form.
pub(super) fn key(zone: &HostedZone, name: &str, kind: &str) -> RecordSetKey {
    RecordSetKey {
        zone: zone.id.clone(),
        reversed: names::reversed(name),
        kind: kind.to_owned(),
        identifier: String::new(),
    }
}

/// The NS and SOA sets of a new zone.
pub(super) fn of_new_zone(zone: &HostedZone) -> [RecordSet; 2] {
    let servers = name_servers(zone);
    let [first, ..] = &servers;
    let soa = format!("{first} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
    let set = |kind, ttl, values| RecordSet {
        key: key(zone, &zone.name, kind),
        name: zone.name.clone(),
        answer: Answer::Values { ttl, values },
    };
    [set("NS", NS_TTL, servers.to_vec()), set("SOA", SOA_TTL, vec![soa])]
}

/// The name servers of a zone, made of its id as AWS's look. The region's own DNS server answers.
pub(super) fn name_servers(zone: &HostedZone) -> [String; 4] {
    let number = zone.id.bytes().fold(0_u32, |sum, it| sum.wrapping_mul(31) + u32::from(it)) % 512;
    let server = |place: u32, end: &str| {
        format!("ns-{}.awsdns-{:02}.{end}.", number + place * 512, number % 64)
    };
    [server(0, "com"), server(1, "net"), server(2, "org"), server(3, "co.uk")]
}

/// The sets of a zone, in the order in which Route 53 lists them.
pub(super) fn of_zone<'a>(
    state: &'a State,
    zone: &HostedZone,
) -> impl Iterator<Item = &'a RecordSet> + use<'a> {
    from(state, key_start(zone))
}

fn key_start(zone: &HostedZone) -> RecordSetKey {
    RecordSetKey {
        zone: zone.id.clone(),
        reversed: String::new(),
        kind: String::new(),
        identifier: String::new(),
    }
}

fn from(state: &State, first: RecordSetKey) -> impl Iterator<Item = &RecordSet> {
    let zone = first.zone.clone();
    let rest = state.record_sets().range(first..);
    rest.take_while(move |it| it.0.zone == zone).map(|it| it.1.as_ref())
}

/// `ListResourceRecordSets`: from a name and a type on.
///
/// Differs: in the zone of a namespace of Cloud Map, AWS also lists the sets of instances.
///
/// # Errors
///
/// [`Error::NoSuchHostedZone`], [`Error::InvalidInput`].
pub(super) fn list_resource_record_sets(
    state: &State,
    ask: shape::ListResourceRecordSetsRequest,
    _: &Context<'_>,
) -> Result<shape::ListResourceRecordSetsResponse, Error> {
    let zone = find(state, ask.hosted_zone_id.as_deref())?;
    let size = size(ask.max_items.as_deref(), ITEMS_MAX)?;
    let kind = ask.start_record_type.map(|it| it.as_str().to_owned());
    let first = match (ask.start_record_name, kind) {
        (None, None) => key_start(zone),
        (None, Some(_)) => {
            return Err(Error::input(
                "The input is not valid: a type was specified without a name",
            ));
        }
        (Some(name), kind) => RecordSetKey {
            reversed: start(&name),
            kind: kind.unwrap_or_default(),
            identifier: ask.start_record_identifier.unwrap_or_default(),
            ..key_start(zone)
        },
    };
    let (page, next) = cut(from(state, first), size);
    Ok(shape::ListResourceRecordSetsResponse {
        is_truncated: Some(next.is_some()),
        max_items: Some(size.to_string()),
        next_record_name: next.map(|it| names::shown(&it.name)),
        next_record_type: next.map(|it| it.key.kind.as_str().into()),
        next_record_identifier: next
            .map(|it| it.key.identifier.clone())
            .filter(|it| !it.is_empty()),
        resource_record_sets: Some(page.into_iter().map(view::record_set).collect()),
    })
}

/// Where a list begins: any text will do, for it need not be a name that exists.
fn start(name: &str) -> String {
    match names::canonical(name) {
        Ok(name) => names::reversed(&name),
        Err(_) => names::reversed(&name.to_ascii_lowercase()),
    }
}
