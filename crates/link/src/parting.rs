//! How a websocket of an agent ends: with a word of why, as far as the other end listens.

use core::time::Duration;

use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long the other end may take to hear why.
const HEAR_WITHIN: Duration = Duration::from_secs(2);

/// Why a conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The other end hung up, or is gone.
    Theirs,
    /// This end hangs up.
    Ours {
        /// What the other end makes of it: after 1000 it may call again at once.
        code: CloseCode,
        /// In words, at most 123 bytes (RFC 6455, 5.5).
        reason: &'static str,
    },
}

impl Parting {
    /// This end has nothing more to say.
    pub(crate) const fn normal(reason: &'static str) -> Self {
        Self::Ours { code: CloseCode::Normal, reason }
    }

    /// The other end should not call again at once.
    pub(crate) const fn policy(reason: &'static str) -> Self {
        Self::Ours { code: CloseCode::Policy, reason }
    }

    /// What an error of the websocket means.
    pub(crate) fn of(error: &Error) -> Self {
        let (code, reason) = match error {
            Error::Capacity(_) => (CloseCode::Size, "a frame is larger than 2 MiB"),
            Error::Utf8(_) => (CloseCode::Invalid, "a text frame is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Self::Theirs,
            Error::Protocol(_) => (CloseCode::Protocol, "this is not the websocket protocol"),
            _ => return Self::Theirs,
        };
        Self::Ours { code, reason }
    }

    /// For the log.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Theirs => "closed by the agent",
            Self::Ours { reason, .. } => reason,
        }
    }

    /// Says good-bye, or answers the other end's.
    pub(crate) async fn say<S>(self, mut socket: WebSocketStream<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let parting = async {
            match self {
                Self::Theirs => return socket.flush().await,
                Self::Ours { code, reason } => {
                    let frame = CloseFrame { code, reason: reason.into() };
                    socket.send(Message::Close(Some(frame))).await?;
                }
            }
            // What is still on its way is read: closing before that would take the good-bye back.
            let mut rest = vec![0; 16 * 1024];
            while socket.get_mut().read(&mut rest).await? > 0 {}
            Ok(())
        };
        // Whoever does not listen has gone already.
        drop(tokio::time::timeout(HEAR_WITHIN, parting).await);
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::error::CapacityError;

    use super::*;

    #[test]
    fn what_breaks_the_websocket_is_told_by_its_code() {
        let code = |error: Error| match Parting::of(&error) {
            Parting::Theirs => None,
            Parting::Ours { code, .. } => Some(u16::from(code)),
        };
        let large = CapacityError::MessageTooLong { size: 3, max_size: 2 };
        assert_eq!(code(Error::Capacity(large)), Some(1009));
        assert_eq!(code(Error::Utf8(String::new())), Some(1007));
        assert_eq!(code(Error::Protocol(ProtocolError::NonZeroReservedBits)), Some(1002));
        assert_eq!(code(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
        assert_eq!(code(Error::ConnectionClosed), None);
    }
}
