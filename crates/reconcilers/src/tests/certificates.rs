use std::collections::BTreeMap;

use plan::authority;
use state::{
    Caller, Certificate, ClassicListener, ClassicProtocol, Context, Dice, Listener,
    ListenerProtocol, Origin,
};
use types::Timestamp;

use super::fixture::{HOUR, World};
use crate::Policy;

const DAY: i64 = 24 * HOUR;
/// A certificate lives for 825 days and is made anew 60 days before their end.
const DUE: i64 = (825 - 60) * DAY;
const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";

/// A region with an authority and one of its certificates, which nothing shows yet.
fn world() -> World {
    let mut world = World::new(Policy::default());
    let mut dice = Dice::of(7);
    let mut context =
        Context { now: Timestamp(0), caller: Caller::region(), request_id: 0, dice: &mut dice };
    let authority = authority::found(&world.state, &mut context);
    let names = ["www.example.com".to_owned()];
    let made = authority::issue(&authority, &names, ARN.to_owned(), &mut context).expect("fits");
    world.put(authority);
    world.put(Certificate { token: Some("t".to_owned()), ..made });
    world
}

fn listener() -> Listener {
    Listener {
        arn: "listener".to_owned(),
        load_balancer: "web".to_owned(),
        protocol: ListenerProtocol::Https,
        port: 443,
        certificates: vec![ARN.to_owned()],
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
    }
}

fn certificate(world: &World) -> Certificate {
    world.state.certificates().get(ARN).expect("is there").as_ref().clone()
}

/// Time goes by without a look at every sweep of the years.
fn pass(world: &mut World, until: i64) {
    world.now = Timestamp(until);
    world.run_until(until);
}

#[test]
fn what_a_listener_shows_is_made_anew_sixty_days_before_its_end() {
    let mut world = world();
    world.put(listener());
    let first = certificate(&world);
    pass(&mut world, DUE - 1);
    assert_eq!(certificate(&world), first);
    pass(&mut world, DUE);
    let second = certificate(&world);
    assert_eq!(second.not_after, Timestamp(DUE + 825 * DAY));
    assert_eq!(second.renewed_at, Some(Timestamp(DUE)));
    assert_ne!((&second.body, &second.key), (&first.body, &first.key));
    let same = |it: &Certificate| {
        (it.arn.clone(), it.names.clone(), it.chain.clone(), it.created_at, it.token.clone())
    };
    assert_eq!(same(&second), same(&first));
    pass(&mut world, 2 * DUE);
    assert_eq!(certificate(&world).renewed_at, Some(Timestamp(2 * DUE)), "and again");
}

#[test]
fn what_nobody_shows_expires_and_is_made_anew_once_it_is_shown() {
    let mut world = world();
    let first = certificate(&world);
    pass(&mut world, 900 * DAY);
    assert_eq!(certificate(&world), first);
    world.put(listener());
    pass(&mut world, 900 * DAY);
    assert_eq!(certificate(&world).renewed_at, Some(Timestamp(900 * DAY)));
}

#[test]
fn what_a_classic_load_balancer_shows_is_made_anew_too() {
    let mut world = world();
    let mut web = super::classic::web(false);
    web.listeners.push(ClassicListener {
        protocol: ClassicProtocol::Ssl,
        port: 443,
        instance_protocol: ClassicProtocol::Tcp,
        instance_port: 80,
        certificate: Some(ARN.to_owned()),
        policies: Vec::new(),
    });
    world.put(web);
    pass(&mut world, DUE);
    assert_eq!(certificate(&world).renewed_at, Some(Timestamp(DUE)));
}

#[test]
fn what_was_imported_is_left_to_those_who_brought_it() {
    let mut world = world();
    let imported = Certificate { origin: Origin::Imported, ..certificate(&world) };
    world.put(imported.clone());
    world.put(listener());
    pass(&mut world, 2 * DUE);
    assert_eq!(certificate(&world), imported);
}
