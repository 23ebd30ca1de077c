//! The form in which shapes are kept in the journal.
//!
//! CBOR maps keyed by the members' names: newer code reads what older code wrote, what it no
//! longer knows it skips, and the bytes can be read without a schema.

use crate::{DecodeError, Shape, cbor};

/// A shape as bytes. Equal shapes give equal bytes.
pub fn to_vec(shape: &dyn Shape) -> Vec<u8> {
    cbor::encode(shape)
}

/// A shape from its bytes.
pub fn from_slice<T: Shape + Default>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut shape = T::default();
    cbor::decode(bytes, &mut shape)?;
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, ecs, logs};

    #[test]
    fn a_stored_shape_comes_back_as_it_was() {
        let task = ecs::Task {
            task_arn: Some("arn:aws:ecs:us-east-1:123456789012:task/default/1".into()),
            created_at: Some(Timestamp(1_700_000_000_123)),
            started_at: Some(Timestamp(1_700_000_001_000)),
            launch_type: Some("TOMORROW".into()),
            version: Some(-3),
            containers: Some(vec![ecs::Container { exit_code: Some(137), ..Default::default() }]),
            tags: Some(vec![]),
            ..Default::default()
        };
        assert_eq!(from_slice(&to_vec(&task)), Ok(task));
    }

    #[test]
    fn what_a_newer_writer_added_is_skipped() {
        let written = ecs::Cluster {
            cluster_name: Some("default".into()),
            tags: Some(vec![ecs::Tag { key: Some("a".into()), value: Some("b".into()) }]),
            ..Default::default()
        };
        let read: ecs::CreateClusterRequest = from_slice(&to_vec(&written)).expect("it is a map");
        assert_eq!(read.cluster_name.as_deref(), Some("default"));
        assert_eq!(read.tags, written.tags);
    }

    #[test]
    fn damage_is_told_and_never_a_panic() {
        let event = logs::InputLogEvent { message: Some("hello".into()), timestamp: Some(5) };
        let events =
            logs::PutLogEventsRequest { log_events: Some(vec![event; 3]), ..Default::default() };
        let bytes = to_vec(&events);
        for end in 1..bytes.len() {
            let cut = bytes.get(..end).unwrap_or_default();
            assert!(from_slice::<logs::PutLogEventsRequest>(cut).is_err(), "cut at {end}");
        }
    }
}
