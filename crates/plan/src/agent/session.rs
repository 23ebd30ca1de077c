//! When to open, renew, distrust and close the ACS session.

use core::time::Duration;

use types::Timestamp;

use super::effect::Effect;
use super::input::{Closed, SessionEvent};
use super::submissions::fraction;
use super::task::Turn;

/// Waits between attempts, from the first failure on, each half as long again (agent source).
const RETRY_FIRST: Duration = Duration::from_millis(250);
// Differs: the genuine agent waits up to two minutes. After a control plane has been away for long
// that is more than the silence after which an instance's tasks are given up.
const RETRY_LAST: Duration = Duration::from_secs(10);
/// The part of a wait that goes by lot.
const JITTER: f64 = 0.2;
/// An instance that is not registered any more asks again this seldom.
const INACTIVE_WAIT: Duration = Duration::from_hours(1);
/// A session that stood this long was a good one.
const STABLE: Duration = Duration::from_mins(1);

/// The ACS session as the agent sees it. Forgotten when the agent ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    state: State,
    attempts: u32,
    /// Whether a session stood once; then the server need not send all credentials again.
    connected_once: bool,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// To be opened at once.
    #[default]
    New,
    Closed {
        open_at: Timestamp,
    },
    Opening,
    Open {
        since: Timestamp,
        silent_at: Timestamp,
        renew_at: Timestamp,
    },
    Closing,
}

impl Session {
    /// When the session wants to be looked at again.
    pub(super) fn timer(&self) -> Option<Timestamp> {
        match self.state {
            State::New => Some(Timestamp::default()),
            State::Closed { open_at } => Some(open_at),
            State::Opening | State::Closing => None,
            State::Open { silent_at, renew_at, .. } => Some(silent_at.min(renew_at)),
        }
    }

    /// Any message is a sign of life.
    pub(super) fn heard(&mut self, turn: &mut Turn<'_>) {
        if let State::Open { silent_at, .. } = &mut self.state {
            let silence = turn.settings.silence;
            *silent_at = turn.now.after(silence).after(silence.mul_f64(fraction(turn.dice)));
        }
    }

    pub(super) fn event(&mut self, event: SessionEvent, turn: &mut Turn<'_>) {
        match event {
            SessionEvent::Opened => {
                self.connected_once = true;
                let life = turn.settings.session_life;
                let extra = life.mul_f64(fraction(turn.dice) / 6.0);
                let renew_at = turn.now.after(life).after(extra);
                self.state = State::Open { since: turn.now, silent_at: turn.now, renew_at };
                self.heard(turn);
            }
            SessionEvent::Closed(closed) => {
                if let State::Open { since, .. } = self.state
                    && turn.now.since(since) >= STABLE
                {
                    self.attempts = 0;
                }
                self.state = State::Closed { open_at: turn.now.after(self.wait(closed, turn)) };
            }
        }
    }

    fn wait(&mut self, closed: Closed, turn: &mut Turn<'_>) -> Duration {
        match closed {
            Closed::InactiveInstance => INACTIVE_WAIT,
            Closed::Code(1000 | 1001 | 1006 | 1011) if self.attempts == 0 => {
                self.attempts = 1;
                Duration::ZERO
            }
            Closed::Code(_) | Closed::Failed => {
                let exponent = i32::try_from(self.attempts.min(32)).unwrap_or(32);
                self.attempts = self.attempts.saturating_add(1);
                let wait = RETRY_FIRST.mul_f64(1.5_f64.powi(exponent)).min(RETRY_LAST);
                wait.mul_f64(1.0 + JITTER * fraction(turn.dice))
            }
        }
    }

    /// Opens or closes what is due.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        if self.timer().is_none_or(|it| it > turn.now) {
            return;
        }
        match self.state {
            State::New | State::Closed { .. } => {
                self.state = State::Opening;
                let send_credentials = !self.connected_once;
                turn.effects.push(Effect::OpenSession { send_credentials });
            }
            State::Open { .. } => {
                self.state = State::Closing;
                turn.effects.push(Effect::CloseSession);
            }
            State::Opening | State::Closing => {}
        }
    }
}
