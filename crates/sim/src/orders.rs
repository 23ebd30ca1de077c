//! Faults at exact points, as stories order them.

use crate::event::{AgentCall, Call, CallId, Event, Party, RegionEvent};
use crate::region::UnderWay;
use crate::world::World;

/// How much of what was being written when the control plane ended is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    All,
}

/// What happens at the next request or answer of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    LoseRequest,
    LoseAnswer,
    /// A copy of the request arrives after so many milliseconds.
    RepeatLate(u64),
    /// The control plane ends while the journal writes what the request has changed.
    EndAtRequest(Kept),
    /// The control plane ends when all is durable and nobody has been answered.
    EndBeforeAnswer,
}

/// Everything that has been ordered and has not happened yet.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Vec<(String, Order)>,
    kept: Option<Kept>,
    /// Processes that have ended start again only when told.
    pub(crate) stay_down: bool,
    /// How long pulls take, in milliseconds.
    pub(crate) pulls: Option<u64>,
}

impl Orders {
    /// Orders something for the next time that an operation is asked for or answered.
    pub(crate) fn add(&mut self, operation: &str, order: Order) {
        self.waiting.push((operation.to_owned(), order));
    }

    fn take(&mut self, operation: &str, which: impl Fn(Order) -> bool) -> Option<Order> {
        let at = self.waiting.iter().position(|(of, it)| of == operation && which(*it))?;
        Some(self.waiting.remove(at).1)
    }
}

impl World {
    /// A late copy of a request, if one was ordered.
    pub(crate) fn repeat_late(&mut self, call: &Call) {
        let late = |it| matches!(it, Order::RepeatLate(_));
        if let Some(Order::RepeatLate(wait)) = self.orders.take(call.operation, late) {
            self.agenda.after(wait, Event::Region(RegionEvent::Asked(call.clone())));
        }
    }

    /// Whether this request was ordered to be lost.
    pub(crate) fn loses_request(&mut self, operation: &str) -> bool {
        self.orders.take(operation, |it| it == Order::LoseRequest).is_some()
    }

    /// Whether this answer was ordered to be lost, perhaps with the control plane.
    pub(crate) fn loses_answer(&mut self, to: Party, call: CallId) -> bool {
        let operation = match to {
            Party::Client(id) => self.clients.asked(id, call).map(|it| it.operation),
            Party::Operator => None,
            Party::Agent { machine, .. } => {
                let agent = self.machines.get(&machine).and_then(|it| it.agent.as_ref());
                agent.and_then(|it| it.calls.get(&call)).map(|it| match it {
                    AgentCall::Register => "RegisterContainerInstance",
                    AgentCall::Submit(_) => "SubmitTaskStateChange",
                })
            }
        };
        let Some(operation) = operation else { return false };
        let loses = |it| matches!(it, Order::LoseAnswer | Order::EndBeforeAnswer);
        let order = self.orders.take(operation, loses);
        if order == Some(Order::EndBeforeAnswer) {
            self.agenda.after(0, Event::End);
        }
        order.is_some()
    }

    /// Ends the control plane while it makes a request durable, if that was ordered.
    pub(crate) fn end_at_request(&mut self, operation: &str) {
        let ends = |it| matches!(it, Order::EndAtRequest(_));
        if let Some(Order::EndAtRequest(kept)) = self.orders.take(operation, ends) {
            self.orders.kept = Some(kept);
            self.end_region();
        }
    }

    /// The control plane ends while these syncs are under way: any of them may have come to its end,
    /// and any part of what they sync may be durable.
    pub(crate) fn end_syncs(&mut self, mut under_way: Vec<UnderWay>) {
        let kept = self.orders.kept.take();
        while !under_way.is_empty() {
            let any = self.lots.region.below(under_way.len() as u64);
            let it = under_way.swap_remove(usize::try_from(any).unwrap_or_default());
            match kept {
                None => self.region.storage.fail_next(it.batches, &mut self.lots.region),
                Some(Kept::Nothing) => self.region.storage.fail_exactly(0),
                Some(Kept::All) => self.region.storage.fail_exactly(it.batches),
            }
            drop(it.commit.sync());
        }
    }

    /// How long a process that has ended is away; `None` if it waits for the story.
    pub(crate) fn down_time(&mut self) -> Option<u64> {
        (!self.orders.stay_down).then(|| self.lots.faults.between(50, 20_000))
    }
}
