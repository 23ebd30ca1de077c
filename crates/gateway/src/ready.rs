//! What is answered without a signature: whether the region serves, and what ails it.

use http::{Response, StatusCode};

use crate::door::Door;

/// `GET` on this answers 200 once the region serves.
pub(crate) const PATH: &str = "/_landfall/ready";

/// `ready`, and a line for each trouble that the region serves in spite of.
pub(crate) fn answer(door: &Door) -> Response<Vec<u8>> {
    let mut text = "ready\n".to_owned();
    if let Some(trouble) = door.history.as_ref().and_then(|it| it.trouble()) {
        text = format!("{text}history: nothing is taken in: {trouble}\n");
    }
    let mut answer = Response::new(text.into_bytes());
    *answer.status_mut() = StatusCode::OK;
    answer
}
