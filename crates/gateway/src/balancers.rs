//! The websockets of balancers: who may open one, and the region as their sessions see it.

use std::sync::Arc;

use api::Rest;
use http::{Request, Response, header};
use hyper::body::Incoming as Body;
use hyper_util::rt::TokioIo;
use link::{BalancerRegion, Later, Silence, Taken};
use plan::routing::session::{Report, Series};
use plan::routing::{Generation, RoutingTable, seal, told};
use state::{Caller, Purpose};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use types::Timestamp;

use crate::answer::SharedDoor;
use crate::keys::Trust;
use crate::metrics;
use crate::region::LiveRegion;
use crate::socket::{self, Refusal};

/// Where balancers call.
pub(crate) const PATH: &str = "/_landfall/balancer";

/// What a call is signed for.
const SERVICE: &str = "landfall";

/// The largest frame of a balancer that is read, in bytes: a report of 50,000 targets of 200 bytes,
/// and room.
const FRAME_MAX: usize = 16 * 1024 * 1024;
/// What a session holds for reading while nothing is said, in bytes.
const READ_BUFFER: usize = 16 * 1024;
/// Characters of a balancer's name.
const NAME_MAX: usize = 64;

/// Opens a conversation, or says why not.
pub(crate) fn open(door: &SharedDoor, mut request: Request<Body>, peer: &str) -> Response<Vec<u8>> {
    let name = match admitted(door, &request) {
        Ok(name) => name,
        Err(refusal) => {
            tracing::info!(peer, kind = refusal.kind, "a balancer's session is refused");
            return refusal.response();
        }
    };
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return Refusal::new("InvalidParameterException", "This is a websocket.").response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let balancers = door.balancers.clone();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        let socket = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(limits)).await;
        balancers.serve(socket, name).await;
    });
    socket::switching(&accept)
}

fn admitted(door: &SharedDoor, request: &Request<Body>) -> Result<String, Refusal> {
    if door.trust == Trust::Signed {
        let signer = socket::signer(door, request, SERVICE)?;
        let key = door.keys.get(&signer);
        // Whoever may do everything may also be a balancer.
        match key.map(|it| it.purpose.clone()) {
            Some(Purpose::Balancer | Purpose::Root) => {}
            Some(Purpose::Agent(_) | Purpose::Task { .. }) | None => {
                let message = "The caller is no balancer of this region.";
                return Err(Refusal::new("AccessDeniedException", message));
            }
        }
    }
    let name = socket::parameter(request, "name").unwrap_or_default();
    let is_fine = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_fine) {
        let message = "A balancer's name has 1 to 64 letters, digits, hyphens, underscores and \
                       periods.";
        return Err(Refusal::new("InvalidParameterException", message));
    }
    Ok(name)
}

impl BalancerRegion for LiveRegion {
    fn now(&self) -> Timestamp {
        link::Region::now(self)
    }

    fn table(&self) -> Later<'_, Option<RoutingTable>> {
        Box::pin(self.ask(|core| {
            let state = core.state();
            told(state, Generation::default(), seal(state))
        }))
    }

    fn called(&self, name: String) -> Later<'_, Taken> {
        Box::pin(async move {
            let done = self.ask(move |core| {
                core.write(Caller::region(), 0, |draft, context| {
                    api::balancer_called(draft, &name, context.now);
                });
            });
            done.await.map_or(Taken::NotNow, |()| Taken::Durably)
        })
    }

    fn gone(&self, name: String, _: Silence) -> Later<'_, Taken> {
        Box::pin(async move {
            let done = self.ask(move |core| {
                core.write(Caller::region(), 0, |draft, context| {
                    api::balancer_gone(draft, &name, context.now);
                });
            });
            done.await.map_or(Taken::NotNow, |()| Taken::Durably)
        })
    }

    fn report(&self, name: String, report: Arc<Report>) -> Later<'_, Taken> {
        Box::pin(async move {
            loop {
                let (name, report) = (name.clone(), Arc::clone(&report));
                let rest = self
                    .ask(move |core| {
                        core.write(Caller::region(), 0, |draft, context| {
                            api::report_balancer(draft, &name, &report, context.now)
                        })
                    })
                    .await;
                match rest {
                    Some(Rest::More) => {}
                    Some(Rest::None) => return Taken::Durably,
                    None => return Taken::NotNow,
                }
            }
        })
    }

    fn counted(&self, name: String, series: Vec<Series>) -> Later<'_, ()> {
        let (store, now) = (self.metrics.clone(), link::Region::now(self));
        Box::pin(async move {
            tokio::task::block_in_place(|| metrics::put_counted(&store, &name, &series, now));
        })
    }
}
