//! Agents of an older protocol revision.
//!
//! They lack capabilities, their requests and messages hold members that this release does not know,
//! and they are told members that they do not know: whoever reads must read over them.

use super::AgentRevision;

/// What an older agent cannot do.
const NEWER: [&str; 3] = [
    "ecs.capability.container-health-check",
    "ecs.capability.container-restart-policy",
    "ecs.capability.task-eni",
];

/// Members in structures of which each revision knows one that the other does not.
const MARKS: [&str; 3] = [r#""desiredStatus":"#, r#""totalResources":"#, r#""status":"#];

impl AgentRevision {
    /// Whether an agent of this revision has a capability.
    pub(crate) fn knows(self, capability: &str) -> bool {
        self == Self::Current || !NEWER.contains(&capability)
    }

    /// A JSON body as the other end of this revision's agent writes or reads it.
    pub(crate) fn speaks(self, body: String) -> String {
        match self {
            Self::Current => body,
            Self::Older => with_strangers(&body),
        }
    }
}

/// A body with members that nobody knows, at its head and in structures within.
fn with_strangers(body: &str) -> String {
    let mut text = match body.strip_prefix('{') {
        Some("}") | None => return body.to_owned(),
        Some(rest) => {
            format!(r#"{{"strangeHead":{{"of":[1,null,"x"],"deep":{{"a":-0.5}}}},{rest}"#)
        }
    };
    for mark in MARKS {
        text = text.replace(mark, &format!(r#""strangeMember":[true,{{"k":"\\u00e9"}}],{mark}"#));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_stand_at_the_head_and_within() {
        let body = r#"{"tasks":[{"desiredStatus":"RUNNING"}]}"#;
        let strange = AgentRevision::Older.speaks(body.into());
        assert_eq!(strange.matches("strangeHead").count(), 1);
        assert_eq!(strange.matches("strangeMember").count(), 1);
        assert!(strange.contains(r#""desiredStatus":"RUNNING""#));
        assert_eq!(AgentRevision::Older.speaks("{}".into()), "{}");
        assert_eq!(AgentRevision::Current.speaks(body.into()), body);
    }
}
