//! The client token of any request, found by the model's schema.

use shapes::{Document, Encoder, Entries, Items, Shape, Timestamp};

/// The request's client token, if its shape has one and the client sent it.
///
/// `CreateService` and others name theirs `clientToken` without marking it, because SDKs do not
/// fill it in (handbook 1.1).
pub(crate) fn of(request: &dyn Shape) -> Option<String> {
    let members = request.schema().members();
    let place = members.iter().position(|it| it.idempotency_token || it.name == "clientToken")?;
    let mut text = Text(None);
    request.member(place)?.write(&mut text);
    text.0
}

/// Takes in a text and lets everything else go by.
struct Text(Option<String>);

impl Encoder for Text {
    fn string(&mut self, value: &str) {
        self.0 = Some(value.to_owned());
    }
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn double(&mut self, _: f64) {}
    fn blob(&mut self, _: &[u8]) {}
    fn timestamp(&mut self, _: Timestamp) {}
    fn document(&mut self, _: &Document) {}
    fn list(&mut self, _: Items<'_>) {}
    fn map(&mut self, _: Entries<'_>) {}
    fn structure(&mut self, _: &dyn Shape) {}
}
