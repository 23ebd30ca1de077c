//! What the models say about services and their operations.

use crate::{Schema, Shape};

/// An AWS service: how it is addressed and what it can be asked.
#[derive(Debug)]
pub struct Service {
    /// Our name for it, the name of the model file: `ecs`, `application-autoscaling`.
    pub name: &'static str,
    /// The name in SDKs, which also names it in RPC v2 CBOR paths on the client's side: `ECS`.
    pub id: &'static str,
    /// The service in the credential scope of a signature.
    pub signing_name: &'static str,
    /// The first label of its host name.
    pub endpoint_prefix: &'static str,
    /// The version in Query requests and paths.
    pub api_version: &'static str,
    /// What stands before the dot in `X-Amz-Target`; also the name in RPC v2 CBOR paths.
    pub target_prefix: Option<&'static str>,
    /// The version in the content type of AWS JSON.
    pub json_version: Option<&'static str>,
    /// The namespace of its XML answers.
    pub xml_namespace: Option<&'static str>,
    /// Whether faults also carry the code of the older Query protocol.
    pub query_compatible: bool,
    /// The protocols it answers in, the preferred one first.
    pub protocols: &'static [Protocol],
    /// Every operation of the model, by name.
    pub operations: &'static [&'static OperationSchema],
}

/// The AWS protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// AWS JSON 1.0 or 1.1, as [`Service::json_version`] says.
    Json,
    /// AWS Query.
    Query,
    /// EC2 Query.
    Ec2,
    /// REST with JSON bodies.
    RestJson,
    /// REST with XML bodies.
    RestXml,
    /// Smithy RPC v2 CBOR.
    Cbor,
}

/// An operation as the model describes it.
#[derive(Debug)]
pub struct OperationSchema {
    /// The name, for example `RunTask`.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// The path with its labels in braces, and a fixed query string if there is one.
    pub uri: &'static str,
    /// HTTP status of an answer.
    pub status: u16,
    /// The shape of a request; `None` if it has none or is not compiled.
    pub input: Option<&'static Schema>,
    /// The shape of an answer; `None` if it has none or is not compiled.
    pub output: Option<&'static Schema>,
    /// The errors that the model lists.
    pub errors: &'static [&'static Schema],
    /// The element around an answer in Query.
    pub result_wrapper: Option<&'static str>,
    /// The root element of a request body in REST-XML.
    pub input_element: Option<&'static str>,
    /// Whether callers need no signature.
    pub anonymous: bool,
    /// The shapes as types; `None` if they are not compiled.
    pub compiled: Option<Compiled>,
}

/// The shapes of an operation for those who know it only by name.
#[derive(Debug, Clone, Copy)]
pub struct Compiled {
    /// An empty request.
    pub input: fn() -> Box<dyn Shape>,
    /// An empty answer.
    pub output: fn() -> Box<dyn Shape>,
}

impl Compiled {
    /// The shapes of this operation.
    pub const fn of<O: Operation>() -> Self {
        Self { input: || Box::new(O::Input::default()), output: || Box::new(O::Output::default()) }
    }
}

/// An operation as a type, so that an answer cannot be given to another question.
pub trait Operation {
    /// The name, for example `RunTask`.
    const NAME: &'static str;
    /// The service that it belongs to.
    const SERVICE: &'static Service;
    /// What the model says about it.
    const SCHEMA: &'static OperationSchema;
    /// The shape of a request.
    type Input: Shape + Default + 'static;
    /// The shape of an answer.
    type Output: Shape + Default + 'static;
}

impl Service {
    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationSchema> {
        let place = self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        self.operations.get(place).copied()
    }
}

impl OperationSchema {
    /// An operation that is known by name and path only.
    pub const fn new(name: &'static str, method: &'static str, uri: &'static str) -> Self {
        Self {
            name,
            method,
            uri,
            status: 200,
            input: None,
            output: None,
            errors: &[],
            result_wrapper: None,
            input_element: None,
            anonymous: false,
            compiled: None,
        }
    }

    /// Sets the HTTP status of an answer.
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets the shape of a request.
    pub const fn input(mut self, input: &'static Schema) -> Self {
        self.input = Some(input);
        self
    }

    /// Sets the shape of an answer.
    pub const fn output(mut self, output: &'static Schema) -> Self {
        self.output = Some(output);
        self
    }

    /// Sets the types of its shapes, and the errors.
    pub const fn compiled<O: Operation>(mut self, errors: &'static [&'static Schema]) -> Self {
        self.errors = errors;
        self.compiled = Some(Compiled::of::<O>());
        self
    }

    /// Sets the element around an answer in Query.
    pub const fn result_wrapper(mut self, element: &'static str) -> Self {
        self.result_wrapper = Some(element);
        self
    }

    /// Sets the root element of a request body in REST-XML.
    pub const fn input_element(mut self, element: &'static str) -> Self {
        self.input_element = Some(element);
        self
    }

    /// Marks the operation as needing no signature.
    pub const fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// A shape without members: the input or output of operations that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Empty;

/// The schema of [`Empty`].
static EMPTY: Schema = Schema::structure("Empty", &[]);

impl Shape for Empty {
    fn schema(&self) -> &'static Schema {
        &EMPTY
    }

    fn member(&self, _index: usize) -> Option<&dyn crate::Value> {
        None
    }

    fn read_member(
        &mut self,
        _index: usize,
        _decoder: &mut dyn crate::Decoder,
    ) -> Result<(), crate::DecodeError> {
        Ok(())
    }
}
