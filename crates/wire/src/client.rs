//! The client's side of AWS JSON, for programs of ours that talk to a region: agent, command line
//! and load tools.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use shapes::{DecodeError, Document, Operation, json};

use crate::fault::Fault;

/// A request that is still to be signed and sent: `POST /`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The headers that say what is asked for.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// What a client can learn from an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The service refused.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Fault),
    /// The answer is not of the operation's shape.
    #[error("the answer cannot be read: {0}")]
    Unreadable(DecodeError),
}

/// The request for an operation of a service that speaks AWS JSON.
pub fn request<O: Operation>(input: &O::Input) -> Outgoing {
    let service = O::SERVICE;
    let version = service.json_version.unwrap_or("1.1");
    let target = format!("{}.{}", service.target_prefix.unwrap_or(service.name), O::NAME);
    let content_type = format!("application/x-amz-json-{version}");
    let mut headers = HeaderMap::new();
    for (name, text) in [("x-amz-target", target), (CONTENT_TYPE.as_str(), content_type)] {
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&text))
        {
            headers.insert(name, value);
        }
    }
    Outgoing { headers, body: json::encode(input) }
}

/// The output in an answer, or why there is none.
pub fn answer<O: Operation>(status: u16, body: &[u8]) -> Result<O::Output, CallError> {
    if !(200..300).contains(&status) {
        return Err(CallError::Refused(fault(status, body)));
    }
    let mut output = O::Output::default();
    json::decode(body, &mut output).map_err(CallError::Unreadable)?;
    Ok(output)
}

/// The fault in an answer; what is no fault of AWS JSON becomes one with the status as its code.
pub fn fault(status: u16, body: &[u8]) -> Fault {
    let text = |value: &Document| match value {
        Document::String(text) => text.clone(),
        _ => String::new(),
    };
    let mut found = Fault::new(status.to_string(), "").with_status(status);
    let Ok(Document::Map(entries)) = json::decode_document(body) else {
        found.message = String::from_utf8_lossy(body).into_owned();
        return found;
    };
    for (name, value) in entries {
        match name.as_str() {
            // Some services write `namespace#Code` or `Code:details`.
            "__type" => {
                let code = text(&value);
                let code = code.split(':').next().unwrap_or_default();
                code.rsplit('#').next().unwrap_or_default().clone_into(&mut found.code);
            }
            "message" | "Message" => found.message = text(&value),
            _ => found.members.push((name, value)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use shapes::ecs::{ListTasks, ListTasksRequest};

    use super::*;

    #[test]
    fn a_request_names_its_operation() {
        let input = ListTasksRequest { cluster: Some("default".into()), ..Default::default() };
        let request = request::<ListTasks>(&input);
        assert_eq!(request.body, br#"{"cluster":"default"}"#);
        assert_eq!(
            request.headers.get("x-amz-target").map(HeaderValue::as_bytes),
            Some(b"AmazonEC2ContainerServiceV20141113.ListTasks".as_slice())
        );
    }

    #[test]
    fn answers_become_outputs_or_faults() {
        let output = answer::<ListTasks>(200, br#"{"taskArns":["a"],"new":1}"#);
        assert_eq!(output.map(|it| it.task_arns), Ok(Some(vec!["a".into()])));
        let body =
            br#"{"__type":"com.amazon#ClusterNotFoundException:x","Message":"Cluster not found."}"#;
        let refused = answer::<ListTasks>(400, body);
        let expected = Fault::new("ClusterNotFoundException", "Cluster not found.");
        assert_eq!(refused, Err(CallError::Refused(expected)));
        let gone = fault(502, b"<html>");
        assert_eq!((gone.code.as_str(), gone.message.as_str()), ("502", "<html>"));
    }
}
