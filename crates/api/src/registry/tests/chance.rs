//! A decoder that reads no bytes: it makes up values that a schema allows, and some it does not.

use shapes::{DecodeError, Decoder, Document, Kind, ReadEntry, ReadItem, Schema, Shape, Timestamp};
use state::Dice;

/// How deep made-up values nest.
const DEPTH_MAX: usize = 7;

/// Numbers at which limits usually lie.
const NUMBERS: [i64; 16] = [
    -1,
    0,
    1,
    2,
    6,
    10,
    64,
    80,
    100,
    101,
    1024,
    8080,
    65_535,
    65_536,
    2_147_483_647,
    -2_147_483_648,
];

/// Words that mean something to some operation.
const WORDS: [&str; 22] = [
    "default",
    "web",
    "web:1",
    "app",
    "side",
    "blue",
    "",
    " ",
    "é",
    "a b",
    "ecs.os-type",
    "stack",
    "landfall/demo:latest",
    "512",
    "1 vCPU",
    "/data",
    "arn:aws:ecs",
    "arn:aws:iam::123456789012:role/app",
    "arn:aws:ecs:us-east-1:123456789012:cluster/default",
    "containerInsights",
    "enabled",
    "attribute:stack == blue",
];

/// Makes up requests.
pub(super) struct Chance<'a> {
    dice: &'a mut Dice,
    known: &'a Known,
    at: &'static Schema,
    /// Name of the member that is being made up.
    member: &'static str,
    depth: usize,
    /// How many members a structure gets beside the required ones.
    members: usize,
}

/// Names of things that exist, by a word in the name of the members that ask for them.
pub(super) type Known = Vec<(&'static str, Vec<String>)>;

impl<'a> Chance<'a> {
    /// Puts about so many members into the shape, beside the required ones it lacks.
    pub(super) fn fill(dice: &'a mut Dice, known: &'a Known, members: usize, into: &mut dyn Shape) {
        let at = into.schema();
        let mut chance = Self { dice, known, at, member: "", depth: 0, members };
        chance.structure(into).expect("makes up no error");
    }

    /// The name of something that exists: mostly of the kind that the member asks for.
    fn known(&mut self) -> Option<String> {
        let known = self.known;
        let asked = self.member.to_ascii_lowercase();
        let kind = known.iter().find(|(word, _)| asked.contains(word));
        let (_, names) = match kind {
            Some(kind) if self.below(8) > 0 => kind,
            _ => &known[self.below(known.len())],
        };
        (!names.is_empty()).then(|| names[self.below(names.len())].clone())
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).expect("below a usize")
    }

    fn number(&mut self) -> i64 {
        match self.below(3) {
            0 => i64::try_from(self.below(2000)).expect("small"),
            _ => NUMBERS[self.below(NUMBERS.len())],
        }
    }

    /// How many items a list gets: mostly few.
    fn count(&mut self) -> usize {
        match self.below(40) {
            0 => 101,
            1..10 => 0,
            _ => 1 + self.below(3),
        }
    }
}

impl Decoder for Chance<'_> {
    fn boolean(&mut self) -> Result<bool, DecodeError> {
        Ok(self.below(2) == 1)
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::try_from(self.number()).expect("numbers fit"))
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        Ok(self.number())
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from(self.integer()?))
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        if let Kind::Enum(values) = &self.at.kind
            && self.below(20) > 0
        {
            return Ok(values[self.below(values.len())].to_owned());
        }
        Ok(match self.below(12) {
            0..8 => self.known().unwrap_or_default(),
            8..11 => WORDS[self.below(WORDS.len())].to_owned(),
            _ => "x".repeat(self.below(600)),
        })
    }

    fn blob(&mut self) -> Result<Vec<u8>, DecodeError> {
        Ok(vec![0; self.below(20)])
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        Ok(Timestamp(self.number()))
    }

    fn document(&mut self) -> Result<Document, DecodeError> {
        Ok(Document::Null)
    }

    fn list(&mut self, item: ReadItem<'_>) -> Result<(), DecodeError> {
        let Kind::List(member) = &self.at.kind else { return Ok(()) };
        for _ in 0..self.count() {
            self.at = member.schema;
            item(self)?;
        }
        Ok(())
    }

    fn map(&mut self, entry: ReadEntry<'_>) -> Result<(), DecodeError> {
        let Kind::Map(key, value) = &self.at.kind else { return Ok(()) };
        for _ in 0..self.below(3) {
            self.at = key.schema;
            let key = self.string()?;
            self.at = value.schema;
            entry(key, self)?;
        }
        Ok(())
    }

    fn structure(&mut self, into: &mut dyn Shape) -> Result<(), DecodeError> {
        if self.depth == DEPTH_MAX {
            return Ok(());
        }
        self.depth += 1;
        let members = into.schema().members();
        for (index, member) in members.iter().enumerate() {
            let wanted = self.below(members.len()) < self.members;
            let absent = into.member(index).is_none();
            let required = member.required && absent && self.below(50) > 0;
            if wanted || required {
                self.at = member.schema;
                self.member = member.name;
                into.read_member(index, self)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
