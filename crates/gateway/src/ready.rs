//! What is answered without a signature: whether the region serves.

use http::{Response, StatusCode};

/// `GET` on this answers 200 once the region serves.
pub(crate) const PATH: &str = "/_landfall/ready";

pub(crate) fn answer() -> Response<Vec<u8>> {
    let mut answer = Response::new(b"ready\n".to_vec());
    *answer.status_mut() = StatusCode::OK;
    answer
}
