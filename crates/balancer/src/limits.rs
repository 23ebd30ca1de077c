//! How much of anything a client or target may ask of us.

use core::time::Duration;

/// The longest request line, and the longest single header field.
///
/// Source: Application Load Balancers User Guide, "Quotas".
pub(crate) const LINE: usize = 16 * 1024;

/// All of a request's head. Source: as above.
pub(crate) const REQUEST_HEAD: usize = 64 * 1024;

/// All of an answer's head. Source: as above.
pub(crate) const ANSWER_HEAD: usize = 32 * 1024;

/// Header fields in a head: far more than any client sends, so that a head of tiny fields costs no
/// more than one of large ones.
pub(crate) const FIELDS: usize = 512;

/// What a chunk may say beside its size. Nobody uses it, but floods do.
pub(crate) const CHUNK_EXTENSION: usize = 256;

/// Trailer fields of one body.
pub(crate) const TRAILERS: usize = 8 * 1024;

/// Addresses in `X-Forwarded-For`; more are answered with 463.
///
/// Source: Application Load Balancers User Guide, "Troubleshoot".
pub(crate) const FORWARDED_ADDRESSES: usize = 30;

/// How long connecting to a target may take. Source: as above ("HTTP 504").
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// How long a target is waited for before another one is asked: longer than the second after which a
/// first packet that was lost is sent again.
const CONNECT_EARLY: Duration = Duration::from_secs(2);

/// How long the target of that attempt may take to take a connection. The last one has the rest of
/// [`CONNECT`].
pub(crate) fn connect_within(attempt: u32) -> Duration {
    if attempt < ATTEMPTS { CONNECT_EARLY } else { CONNECT.saturating_sub(CONNECT_EARLY) }
}

/// How long a TLS handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a balancer that is about to end, or a listener that is gone, waits for a request on a
/// connection that it has: it may be on its way, and one that is turned away unheard is lost. The
/// answer says that it was the last.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a head may take from its first byte to its last, if the idle timeout is not shorter. An
/// idle timeout alone would be met by one byte now and then.
pub(crate) const HEAD: Duration = Duration::from_mins(1);

/// How long the rest of a request is read and thrown away after it was answered early, so that the
/// answer is not lost to a reset.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How much of it.
pub(crate) const LINGER_BYTES: usize = 256 * 1024;

/// Connections that one thread keeps to one target while nothing is under way on them.
pub(crate) const POOL: usize = 256;

/// Connections of clients that one thread holds.
pub(crate) const CLIENTS: usize = 50_000;

/// How often a request that has not reached a target is tried with another.
pub(crate) const ATTEMPTS: u32 = 3;

/// Streams of one HTTP/2 client at a time.
///
/// Source: Application Load Balancers User Guide, "HTTP connections".
pub(crate) const STREAMS: u32 = 128;

/// Requests on one HTTP/2 connection. Source: as above.
pub(crate) const STREAMS_TOTAL: u64 = 10_000;

/// Streams that were reset and not yet looked at; a client that resets faster is cut off.
pub(crate) const STREAMS_RESET: usize = 64;

/// What is read from a socket at once.
pub(crate) const SCRATCH: usize = 128 * 1024;

/// What a connection reads its heads into.
pub(crate) const HEAD_BUFFER: usize = 8 * 1024;

/// How long nobody is taken in after that has failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a thread closes what has been idle for too long.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

/// How long a connection to a target is kept while nothing is under way on it.
pub(crate) const POOL_IDLE: Duration = Duration::from_mins(1);

/// Connections that wait to be taken in, for each socket.
pub(crate) const BACKLOG: u32 = 4_096;
