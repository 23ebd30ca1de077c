//! Requests of AWS Query and EC2 Query: forms whose names are paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shapes::{DecodeError, Decoder, Document, Kind, Member, ReadEntry, ReadItem, Shape, Timestamp};

use crate::form::Form;
use shapes::text;

/// The two ways of writing paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Lists stand in `Name.member.1`, maps in `Name.entry.1.key`.
    Query,
    /// Lists stand in `Name.1`; names begin with a capital letter.
    Ec2,
}

/// Reads the parameters of a request into a shape.
pub(crate) fn decode(
    form: &Form<'_>,
    dialect: Dialect,
    into: &mut dyn Shape,
) -> Result<(), DecodeError> {
    Reader { form, dialect, path: String::new(), member: None }.structure(into)
}

/// Stands before the value of one path.
struct Reader<'a> {
    form: &'a Form<'a>,
    dialect: Dialect,
    path: String,
    /// The member at hand; none for the request itself.
    member: Option<&'static Member>,
}

impl Reader<'_> {
    /// The text of a scalar.
    fn value(&self) -> Result<&str, DecodeError> {
        let wrong = DecodeError::UnexpectedCollection { found: "structure or map" };
        self.form.value(&self.path).ok_or(wrong)
    }

    /// Reads a member at a longer path.
    fn below<T>(
        &mut self,
        steps: &[&str],
        member: &'static Member,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let length = self.path.len();
        for step in steps {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(step);
        }
        let outer = self.member.replace(member);
        let answer = read(self);
        self.member = outer;
        self.path.truncate(length);
        answer
    }

    fn is_flattened(&self) -> bool {
        self.dialect == Dialect::Ec2 || self.member.is_some_and(|member| member.flattened)
    }

    /// The names under which a member may stand, the usual one first.
    fn names(&self, member: &Member) -> [String; 2] {
        let plain = member.wire_name.to_owned();
        if self.dialect == Dialect::Query {
            return [plain.clone(), plain];
        }
        let mut letters = plain.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let capital = first.into_iter().chain(letters).collect();
        [member.query_name.map_or(capital, str::to_owned), plain]
    }
}

impl Decoder for Reader<'_> {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.value().and_then(text::boolean)
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        self.value().and_then(text::integer)
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.value().and_then(text::long)
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        self.value().and_then(text::parse_double)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.value().map(str::to_owned)
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        let text = self.value()?;
        STANDARD.decode(text).map_err(|_| DecodeError::unparsable(text, "a Blob"))
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.value().and_then(text::parse_timestamp)
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        self.string().map(Document::String)
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        let Some(Kind::List(member)) = self.member.map(|member| &member.schema.kind) else {
            return Err(DecodeError::WrongCollection { expected: "list" });
        };
        let steps: &[&str] = if self.is_flattened() { &[] } else { &[member.wire_name] };
        self.below(steps, member, |below| {
            for number in below.form.numbers(&below.path) {
                below.below(&[&number.to_string()], member, |below| item(below))?;
            }
            Ok(())
        })
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let Some(Kind::Map(key, value)) = self.member.map(|member| &member.schema.kind) else {
            return Err(DecodeError::WrongCollection { expected: "map" });
        };
        let steps: &[&str] = if self.is_flattened() { &[] } else { &["entry"] };
        self.below(steps, value, |below| {
            for number in below.form.numbers(&below.path) {
                let number = number.to_string();
                let key = below.below(&[&number, key.wire_name], key, Decoder::string)?;
                below.below(&[&number, value.wire_name], value, |below| entry(key, below))?;
            }
            Ok(())
        })
    }

    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError> {
        for (index, member) in into.schema().members().iter().enumerate() {
            for name in self.names(member) {
                let found = self.below(&[&name], member, |below| {
                    let holds = below.form.holds(&below.path);
                    if holds { into.read_member(index, below).map(|()| true) } else { Ok(false) }
                })?;
                if found {
                    break;
                }
            }
        }
        Ok(())
    }
}
