//! One balancer's conversation.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::{
    AsyncRead, AsyncWrite, Balancers, Bytes, FromBalancer, Line, Question, SILENCE, TELL_EVERY,
    Talk, ToBalancer, WebSocketStream, mpsc,
};

/// A message to a balancer as a frame.
pub(super) fn frame(message: &ToBalancer) -> Bytes {
    minicbor::to_vec(message).unwrap_or_default().into()
}

impl Balancers {
    pub(super) async fn converse<S>(
        &self,
        mut socket: WebSocketStream<S>,
        name: &str,
        line: &Line,
        mut questions: mpsc::Receiver<Question>,
    ) -> &'static str
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut talk = Talk::default();
        let mut told = self.told.subscribe();
        let mut again = interval(TELL_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let said = tokio::select! {
                frame = timeout_at(heard_at + SILENCE, socket.next()) => match frame {
                    Err(_) => return "silent for too long",
                    Ok(Some(Ok(Message::Binary(bytes)))) => {
                        heard_at = Instant::now();
                        match minicbor::decode::<FromBalancer>(&bytes) {
                            Ok(heard) => self.hear((name, line), heard, &mut talk).await,
                            Err(error) => {
                                tracing::warn!(name, %error, "a balancer sent what is no message");
                            }
                        }
                        continue;
                    }
                    Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                        return "closed by the balancer";
                    }
                    Ok(Some(Ok(_))) => continue,
                },
                Ok(()) = told.changed() => told.borrow_and_update().clone(),
                _ = again.tick() => told.borrow_and_update().clone(),
                Some(question) = questions.recv() => {
                    let Question { number, addresses, port, transports, answer } = question;
                    talk.asked.retain(|_, it| !it.is_closed());
                    talk.asked.insert(number, answer);
                    frame(&ToBalancer::Reserve { question: number, addresses, port, transports })
                }
                () = line.hang_up.notified() => return "another one of that name has called",
            };
            if said.is_empty() {
                continue;
            }
            match timeout(SILENCE, socket.send(Message::Binary(said))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return "closed by the balancer",
                Err(_) => return "does not read",
            }
        }
    }
}
