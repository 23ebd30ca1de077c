//! The list of operations that exist, and the one path from a decoded request to its answer.

use std::collections::BTreeMap;

use shapes::{DecodeError, Operation, OperationSchema, Service, Shape};
use state::{Context, Draft, State};

use crate::audit::{self, Asked};
use crate::{Fault, token};

/// What becomes of a request: the shape of the answer, or a refusal.
pub type Answer = Result<Box<dyn Shape + Send>, Fault>;

/// Decodes a request into the empty shape it is given.
pub type Fill<'a> = &'a mut dyn FnMut(&mut dyn Shape) -> Result<(), DecodeError>;

/// An operation that may change the state: decides on the draft.
pub type WriteFn<I, O, E> = fn(&mut Draft<'_>, I, &mut Context<'_>) -> Result<O, E>;

/// An operation that only looks.
pub type ReadFn<I, O, E> = fn(&State, I, &Context<'_>) -> Result<O, E>;

type Prepare<P> = Box<dyn Fn(Fill<'_>) -> Result<P, Invalid> + Send + Sync>;
type RunRead = Box<dyn FnOnce(&State, &Context<'_>) -> Answer + Send>;
type RunWrite = Box<dyn FnOnce(&mut Draft<'_>, &mut Context<'_>) -> Answer + Send>;

/// Why a request cannot be put before its operation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// The bytes are not what the protocol and the shape ask for.
    #[error("the request cannot be read")]
    Unreadable(#[from] DecodeError),
    /// It can be read, but breaks a limit of the model.
    #[error("the request breaks a limit of its shape")]
    OutOfBounds(#[source] Fault),
}

/// The operations that this region answers, by service and name.
///
/// Every operation of a listed service that is not listed itself is refused by name.
#[derive(Default)]
pub struct Registry {
    services: BTreeMap<&'static str, BTreeMap<&'static str, Entry>>,
}

/// How one operation is answered.
pub enum Entry {
    /// Looks at durable state only.
    Read(ReadEntry),
    /// May change the state: runs on the writer.
    Write(WriteEntry),
    /// Another door answers it.
    Call(&'static OperationSchema),
}

/// An operation that looks.
pub struct ReadEntry {
    prepare: Prepare<RunRead>,
}

/// An operation that may change something.
pub struct WriteEntry {
    service: &'static Service,
    operation: &'static OperationSchema,
    trail: Trail,
    prepare: Prepare<(RunWrite, Option<String>)>,
}

/// Whether requests are written into the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trail {
    /// Requests of people and their tools.
    Audited,
    /// What agents say all day long.
    Silent,
}

/// A request that is ready to look.
pub struct Read(RunRead);

/// A request that is ready for the writer.
pub struct Write {
    run: RunWrite,
    asked: Option<Asked>,
}

impl Registry {
    /// Lists an operation that may change the state. Each of its requests, done or refused, leaves
    /// an audit row.
    pub fn write<O, E>(self, run: WriteFn<O::Input, O::Output, E>) -> Self
    where
        O: Operation<Input: Send + 'static, Output: Send + 'static>,
        E: Into<Fault> + 'static,
    {
        self.insert::<O>(write_entry::<O, E>(run, Trail::Audited))
    }

    /// Lists an operation in which an agent reports what it saw: a write without an audit row.
    pub fn report<O, E>(self, run: WriteFn<O::Input, O::Output, E>) -> Self
    where
        O: Operation<Input: Send + 'static, Output: Send + 'static>,
        E: Into<Fault> + 'static,
    {
        self.insert::<O>(write_entry::<O, E>(run, Trail::Silent))
    }

    /// Lists an operation that only looks.
    pub fn read<O, E>(self, run: ReadFn<O::Input, O::Output, E>) -> Self
    where
        O: Operation<Input: Send + 'static, Output: Send + 'static>,
        E: Into<Fault> + 'static,
    {
        let prepare: Prepare<RunRead> = Box::new(move |fill| {
            let input = input::<O>(fill)?;
            Ok(Box::new(move |state, context| answer(run(state, input, context))))
        });
        self.insert::<O>(Entry::Read(ReadEntry { prepare }))
    }

    /// Lists an operation that another door answers.
    pub fn call<O: Operation>(self) -> Self {
        self.insert::<O>(Entry::Call(O::SCHEMA))
    }

    /// Adds the operations of another list.
    pub fn and(mut self, other: Self) -> Self {
        for (service, entries) in other.services {
            self.services.entry(service).or_default().extend(entries);
        }
        self
    }

    /// How an operation of a service is answered.
    ///
    /// # Errors
    ///
    /// The fault that says that the operation does not exist, or is not answered yet.
    pub fn find(&self, service: &Service, operation: &str) -> Result<&Entry, Fault> {
        let entries = self.services.get(service.name);
        if let Some(entry) = entries.and_then(|it| it.get(operation)) {
            return Ok(entry);
        }
        Err(match service.operation(operation) {
            Some(schema) => Fault::unsupported(service, schema),
            None => Fault::unknown(service, operation),
        })
    }

    /// Every operation listed, service by service in order of names.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, &'static str, &Entry)> {
        self.services.iter().flat_map(|(service, entries)| {
            entries.iter().map(move |(operation, entry)| (*service, *operation, entry))
        })
    }

    fn insert<O: Operation>(mut self, entry: Entry) -> Self {
        let entries = self.services.entry(O::SERVICE.name).or_default();
        let before = entries.insert(O::NAME, entry);
        assert!(before.is_none(), "{} is listed twice", O::NAME);
        self
    }
}

impl ReadEntry {
    /// Makes the typed request, lets `fill` decode into it, and checks its limits.
    pub fn prepare(&self, fill: Fill<'_>) -> Result<Read, Invalid> {
        (self.prepare)(fill).map(Read)
    }
}

impl WriteEntry {
    /// Makes the typed request, lets `fill` decode into it, and checks its limits.
    pub fn prepare(&self, fill: Fill<'_>) -> Result<Write, Invalid> {
        let (run, token) = (self.prepare)(fill)?;
        let asked = match self.trail {
            Trail::Audited => {
                Some(Asked { service: self.service, operation: self.operation, token })
            }
            Trail::Silent => None,
        };
        Ok(Write { run, asked })
    }
}

impl Read {
    /// Looks.
    pub fn run(self, state: &State, context: &Context<'_>) -> Answer {
        (self.0)(state, context)
    }
}

impl Write {
    /// Decides on the draft, which is to be kept in either case: after a refusal it holds the
    /// audit row alone.
    pub fn run(self, draft: &mut Draft<'_>, context: &mut Context<'_>) -> Answer {
        let answer = (self.run)(draft, context);
        if answer.is_err() {
            draft.undo();
        }
        if let Some(asked) = self.asked {
            audit::record(draft, context, asked, answer.as_ref().err());
        }
        answer
    }
}

fn write_entry<O, E>(run: WriteFn<O::Input, O::Output, E>, trail: Trail) -> Entry
where
    O: Operation<Input: Send + 'static, Output: Send + 'static>,
    E: Into<Fault> + 'static,
{
    let prepare: Prepare<(RunWrite, Option<String>)> = Box::new(move |fill| {
        let input = input::<O>(fill)?;
        let token = token::of(&input);
        let run: RunWrite = Box::new(move |draft, context| answer(run(draft, input, context)));
        Ok((run, token))
    });
    Entry::Write(WriteEntry { service: O::SERVICE, operation: O::SCHEMA, trail, prepare })
}

fn input<O: Operation>(fill: Fill<'_>) -> Result<O::Input, Invalid> {
    let mut input = O::Input::default();
    fill(&mut input)?;
    let violations = shapes::validate(&input);
    if violations.is_empty() {
        return Ok(input);
    }
    Err(Invalid::OutOfBounds(Fault::invalid(O::SERVICE, shapes::validation_message(&violations))))
}

fn answer<T: Shape + Send + 'static, E: Into<Fault>>(outcome: Result<T, E>) -> Answer {
    match outcome {
        Ok(output) => Ok(Box::new(output)),
        Err(refusal) => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests;
