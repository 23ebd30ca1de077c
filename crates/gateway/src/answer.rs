//! One request of a client, from its bytes to the answer's.

use std::sync::Arc;

use api::{Entry, Fault, Invalid};
use http::{HeaderValue, Response, request::Parts};
use shapes::{Protocol, Shape};
use state::Caller;
use store::{Core, Release};
use tokio::sync::oneshot;
use wire::sigv4::Expected;
use wire::{Incoming, Route};

use crate::door::{BODY_MAX, Door};
use crate::keys::{self, Trust};
use crate::{history, logs, metrics, packed, ports, rehearsal};

/// What becomes of a request before the protocol writes it down.
pub(crate) type Outcome = Result<Box<dyn Shape + Send>, wire::Fault>;

/// 128 random bits of the operating system.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("a machine without randomness cannot run a region");
    u128::from_ne_bytes(bytes)
}

/// A request id: the bits of a UUID of version 4. Answers and the audit trail show the same one.
fn request_id(bits: u128) -> u128 {
    bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62
}

/// A request id for an answer that asks nobody.
pub(crate) fn fresh_id() -> HeaderValue {
    let id = types::uuid(&request_id(random()).to_be_bytes());
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

/// Answers one request of an AWS client.
pub(crate) async fn answer(
    door: &Door,
    parts: &Parts,
    body: &[u8],
    peer: &str,
) -> Response<Vec<u8>> {
    let bits = request_id(random());
    let id = types::uuid(&bits.to_be_bytes());
    let plain = match packed::unpacked(&parts.headers, body, BODY_MAX) {
        Ok(plain) => plain,
        Err(fault) => return refuse(parts, &fault),
    };
    let incoming = Incoming::new(parts, &plain);
    let route = match wire::route(&incoming) {
        Ok(route) => route,
        Err(refusal) => return refusal.response(&id),
    };
    let outcome = match caller(door, parts, &Incoming::new(parts, body), &route, peer) {
        Ok(caller) => run(door, &incoming, &route, caller, bits).await,
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(output) => route.success(output.as_ref(), &id),
        Err(fault) => route.failure(&fault, &id),
    }
}

/// Refuses a request whose body is not at hand, in the form of the protocol that its head speaks.
pub(crate) fn refuse(parts: &Parts, fault: &wire::Fault) -> Response<Vec<u8>> {
    let id = types::uuid(&request_id(random()).to_be_bytes());
    match wire::route(&Incoming::new(parts, &[])) {
        Ok(route) => route.failure(fault, &id),
        Err(unknown) => wire::Refusal { fault: fault.clone(), ..unknown }.response(&id),
    }
}

/// Who asks, as far as the signature proves it.
fn caller(
    door: &Door,
    parts: &Parts,
    incoming: &Incoming<'_>,
    route: &Route,
    peer: &str,
) -> Result<Caller, wire::Fault> {
    let access_key = match door.trust {
        _ if route.operation.anonymous => String::new(),
        Trust::Everybody => String::new(),
        Trust::Signed => verified(door, incoming, route.service.signing_name, route.protocol)?,
    };
    let caller = caller_of(door, parts, access_key, peer);
    allowed(door, route, &caller)?;
    Ok(caller)
}

/// Refuses what the caller's key is not for.
fn allowed(door: &Door, route: &Route, caller: &Caller) -> Result<(), wire::Fault> {
    let (service, operation) = (route.service, route.operation.name);
    let key = door.keys.get(&caller.access_key);
    if key.is_none_or(|it| plan::policy::may(&it.purpose, service.name, operation)) {
        return Ok(());
    }
    let action = format!("{}:{operation}", service.signing_name);
    let message = format!(
        "User: {} is not authorized to perform: {action} because no identity-based policy allows \
         the {action} action",
        caller.arn
    );
    Err(wire::Fault::new("AccessDeniedException", message))
}

/// The access key that signed a request for that service.
pub(crate) fn verified(
    door: &Door,
    incoming: &Incoming<'_>,
    service: &str,
    protocol: Protocol,
) -> Result<String, wire::Fault> {
    let expected = Expected { service, region: door.only_region.as_deref() };
    door.verifier
        .verify(incoming, expected, (door.clock)(), &|id| door.keys.credential(id))
        .map(|it| it.access_key_id)
        .map_err(|error| error.fault(protocol))
}

/// Who stands behind a verified key.
pub(crate) fn caller_of(door: &Door, parts: &Parts, access_key: String, peer: &str) -> Caller {
    let header = |name| parts.headers.get(name).and_then(|it| it.to_str().ok());
    let key = door.keys.get(&access_key);
    Caller {
        arn: keys::principal(&door.home, key.as_deref()).into(),
        access_key: access_key.into(),
        source_ip: peer.into(),
        user_agent: header("user-agent").unwrap_or_default().into(),
        endpoint: format!("http://{}", header("host").unwrap_or(&door.address)).into(),
    }
}

async fn run(
    door: &Door,
    incoming: &Incoming<'_>,
    route: &Route,
    caller: Caller,
    request_id: u128,
) -> Outcome {
    let entry = door.registry.find(route.service, route.operation.name).map_err(to_wire)?;
    let job: Job = match entry {
        Entry::Write(entry) => {
            let write = decoded(incoming, route, |fill| entry.prepare(fill))?;
            if door.writer.reserve_only() && !frees(route.operation.name) {
                return Err(full());
            }
            ports::reserve(door, incoming, route).await?;
            let job = move |core: &mut Core| {
                core.write(caller, request_id, |draft, it| write.run(draft, it))
            };
            let answer = ask(door, Box::new(job)).await;
            if answer.is_ok() {
                ports::served(door, route).await;
            }
            return answer;
        }
        Entry::Read(entry) => {
            let read = decoded(incoming, route, |fill| entry.prepare(fill))?;
            Box::new(move |core| core.read(caller, request_id, |state, it| read.run(state, it)))
        }
        Entry::Call(_) => {
            let asked = (caller.clone(), request_id);
            if let Some(answered) = rehearsal::answer(door, incoming, route, asked).await {
                return answered;
            }
            let answered = history::answer(door, incoming, route, caller, request_id).await;
            return answered.unwrap_or_else(|| call(door, incoming, route));
        }
    };
    ask(door, job).await
}

/// Asks another store than the state. It reads and syncs files, so other requests of this thread
/// are moved away meanwhile.
fn call(door: &Door, incoming: &Incoming<'_>, route: &Route) -> Outcome {
    let (home, now) = (&door.home, (door.clock)());
    let answered = tokio::task::block_in_place(|| match route.service.name {
        "cloudwatch" => {
            let desk = metrics::Desk { home, store: &door.metrics, now };
            metrics::answer(&desk, route, incoming)
        }
        _ => logs::answer(&logs::Desk { home, store: &door.logs, now }, route, incoming),
    });
    answered.unwrap_or_else(|| Err(route.unsupported()))
}

/// Has a typed request made and filled from the bytes.
fn decoded<T>(
    incoming: &Incoming<'_>,
    route: &Route,
    prepare: impl FnOnce(api::Fill<'_>) -> Result<T, Invalid>,
) -> Result<T, wire::Fault> {
    prepare(&mut |shape| route.decode_into(incoming, shape)).map_err(|error| match error {
        Invalid::OutOfBounds(fault) => to_wire(fault),
        Invalid::Unreadable(error) => wire::Fault::unreadable(route.protocol, &error),
    })
}

type Job = Box<dyn FnOnce(&mut Core) -> api::Answer + Send>;

/// Puts a request before the writer and waits until its answer may be seen.
async fn ask(door: &Door, job: Job) -> Outcome {
    put(door, job).await?.map_err(to_wire)
}

/// Puts something before the writer and waits until what comes of it may be seen.
pub(crate) async fn put<T: Send + 'static>(
    door: &Door,
    job: impl FnOnce(&mut Core) -> T + Send + 'static,
) -> Result<T, wire::Fault> {
    let (tell, told) = oneshot::channel();
    let job = Box::new(move |core: &mut Core| -> Release {
        let answer = job(core);
        // Nobody listens any more if the client has hung up; what it asked for is done all the same.
        Box::new(move || drop(tell.send(answer)))
    });
    door.writer.submit(job).map_err(|_| overloaded())?;
    told.await.map_err(|_| stopping())
}

pub(crate) fn to_wire(fault: Fault) -> wire::Fault {
    let mut same = wire::Fault::new(fault.code, fault.message).with_status(fault.status);
    for (name, value) in fault.members {
        same = same.with_member(name, value);
    }
    same
}

/// Operations that free things: they work when the disk has only its reserve left.
fn frees(operation: &str) -> bool {
    ["Stop", "Delete", "Deregister", "Submit", "Untag"].iter().any(|it| operation.starts_with(it))
}

fn full() -> wire::Fault {
    let message = "The region's disk is full. Stopping and deleting still work; make room and try \
                   again.";
    wire::Fault::new("ServerException", message).with_status(500)
}

fn overloaded() -> wire::Fault {
    wire::Fault::new("ThrottlingException", "Rate exceeded")
}

fn stopping() -> wire::Fault {
    wire::Fault::new("ServerException", "The region is stopping.").with_status(503)
}

/// A shared door, as every connection holds it.
pub(crate) type SharedDoor = Arc<Door>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_of_version_4() {
        let text = |bits: u128| types::uuid(&request_id(bits).to_be_bytes());
        assert_eq!(text(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(text(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
