//! AWS STS: who the caller is.

use shapes::sts as op;
use state::{Context, State};

use crate::{Fault, Registry};

/// The STS operations that we answer.
pub fn registry() -> Registry {
    Registry::default().read::<op::GetCallerIdentity, Fault>(get_caller_identity)
}

/// `GetCallerIdentity`: account, ARN and id of the principal that signed.
///
/// Source: AWS STS API Reference. The id is the account's for root, else that of the access key:
/// principals have none of their own here.
#[expect(clippy::unnecessary_wraps, reason = "the form that every operation has")]
fn get_caller_identity(
    state: &State,
    _: op::GetCallerIdentityRequest,
    context: &Context<'_>,
) -> Result<op::GetCallerIdentityResponse, Fault> {
    let home = state.home();
    let account = home.account.to_string();
    let arn = context.caller.arn.to_string();
    let id = if arn == home.iam("root") {
        account.clone()
    } else {
        context.caller.access_key.to_string()
    };
    Ok(op::GetCallerIdentityResponse { account: Some(account), arn: Some(arn), user_id: Some(id) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_caller_learns_who_it_is() {
        let region = fixture::region();
        let answer = region.read(get_caller_identity, op::GetCallerIdentityRequest {});
        let answer = answer.expect("answers");
        assert_eq!(answer.account.as_deref(), Some("123456789012"));
        assert_eq!(answer.arn.as_deref(), Some("arn:aws:iam::123456789012:root"));
        assert_eq!(answer.user_id.as_deref(), Some("123456789012"));
    }
}
