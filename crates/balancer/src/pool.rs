//! Connections to a target that are kept for the next request.

use core::cell::RefCell;
use core::task::Context;
use core::time::Duration;

use tokio::time::Instant;

use crate::http2::target::Sessions;
use crate::limits;
use crate::stream::Stream;

/// A target's connections on one thread.
#[derive(Default)]
pub(crate) struct Pool {
    idle: RefCell<Vec<(Stream, Instant)>>,
    /// Over HTTP/2.
    pub(crate) sessions: Sessions,
}

impl Pool {
    /// The connection that was used last and is still good.
    pub(crate) fn take(&self, cx: &mut Context<'_>) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        while let Some((mut stream, _)) = idle.pop() {
            if stream.is_quiet(cx) {
                return Some(stream);
            }
        }
        None
    }

    pub(crate) fn give(&self, stream: Stream, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < limits::POOL {
            idle.push((stream, now));
        }
    }

    /// Closes what has been idle for so long.
    pub(crate) fn sweep(&self, now: Instant, longest: Duration) {
        let mut idle = self.idle.borrow_mut();
        // The longest idle come first.
        let old = idle.iter().take_while(|it| now.duration_since(it.1) >= longest).count();
        idle.drain(..old);
        if idle.is_empty() {
            idle.shrink_to_fit();
        }
    }

    /// Closes all that are idle.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.sessions.clear();
    }
}
