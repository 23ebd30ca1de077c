//! The certificate of the region's own authority, for everybody: `curl --cacert` and the like.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use state::Caller;

use crate::answer::put;
use crate::door::Door;

/// `GET` on this answers the certificate in PEM. It says nothing that clients are not shown by every
/// listener with a certificate of this authority.
pub(crate) const PATH: &str = "/_landfall/ca.pem";

/// The certificate, or 503 while the region cannot tell.
pub(crate) async fn answer(door: &Door) -> Response<Vec<u8>> {
    let look = put(door, |core| {
        core.read(Caller::region(), 0, |state, _| {
            state.authority().get(&()).map(|it| it.certificate.clone())
        })
    });
    let Ok(Some(certificate)) = look.await else {
        let mut answer = Response::new(Vec::new());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return answer;
    };
    let mut answer = Response::new(certificate.into_bytes());
    let kind = HeaderValue::from_static("application/x-pem-file");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
