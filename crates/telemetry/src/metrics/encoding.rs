//! Series and points as bytes: small numbers and whole numbers take little room.

use std::collections::BTreeMap;

use super::series::{Series, Statistics};

/// The value is one, so that its sum, its least and its greatest are the same.
const SINGLE: u8 = 1;
/// From here on: the number is whole and lies as such.
const WHOLE: [u8; 4] = [2, 4, 8, 16];
/// Whole numbers below this are exact in both forms.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Takes bytes apart from the front; every verb gives `None` where they end too early.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }

    pub(super) fn name(&mut self) -> Option<Series> {
        let (namespace, metric, unit) = (self.text()?, self.text()?, self.text()?);
        let mut dimensions = BTreeMap::new();
        for _ in 0..self.number()? {
            dimensions.insert(self.text()?, self.text()?);
        }
        Some(Series { namespace, metric, dimensions, unit })
    }

    pub(super) fn statistics(&mut self) -> Option<Statistics> {
        let flags = self.byte()?;
        let [count, sum, min, max] = WHOLE;
        if flags & SINGLE != 0 {
            return Some(Statistics::of(self.value(flags & count)?));
        }
        Some(Statistics {
            count: self.value(flags & count)?,
            sum: self.value(flags & sum)?,
            min: self.value(flags & min)?,
            max: self.value(flags & max)?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "only exact ones are written so")]
    fn value(&mut self, whole: u8) -> Option<f64> {
        match whole {
            0 => Some(f64::from_le_bytes(self.fixed()?)),
            _ => Some(self.signed()? as f64),
        }
    }
}

pub(super) fn write_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).unwrap_or(0));
}

pub(super) fn write_signed(into: &mut Vec<u8>, number: i64) {
    write_number(into, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn write_text(into: &mut Vec<u8>, text: &str) {
    write_number(into, text.len() as u64);
    into.extend(text.as_bytes());
}

pub(super) fn write_name(into: &mut Vec<u8>, series: &Series) {
    write_text(into, &series.namespace);
    write_text(into, &series.metric);
    write_text(into, &series.unit);
    write_number(into, series.dimensions.len() as u64);
    for (name, value) in &series.dimensions {
        write_text(into, name);
        write_text(into, value);
    }
}

pub(super) fn write_statistics(into: &mut Vec<u8>, it: Statistics) {
    let values = [it.count, it.sum, it.min, it.max];
    let is_single = it == Statistics::of(it.sum);
    let values = if is_single { &values[1..2] } else { &values[..] };
    let mut flags = if is_single { SINGLE } else { 0 };
    for (value, flag) in values.iter().zip(WHOLE) {
        flags |= whole(*value).map_or(0, |_| flag);
    }
    into.push(flags);
    for value in values {
        match whole(*value) {
            Some(number) => write_signed(into, number),
            None => into.extend(value.to_le_bytes()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}

/// Points in order of time.
pub(super) fn write_points(into: &mut Vec<u8>, points: &BTreeMap<i64, Statistics>) {
    let mut last = 0;
    for (at, statistics) in points {
        write_signed(into, at - last);
        write_statistics(into, *statistics);
        last = *at;
    }
}

/// Points as they were written; those behind a damage are left out.
pub(super) fn read_points(bytes: &[u8]) -> Vec<(i64, Statistics)> {
    let mut reader = Reader(bytes);
    let mut points = Vec::new();
    let mut at = 0_i64;
    while let Some((more, statistics)) = reader.signed().zip(reader.statistics()) {
        at = at.saturating_add(more);
        points.push((at, statistics));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        let numbers = [0, 1, -1, 63, 64, -64, -65, 300, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        for number in numbers {
            write_signed(&mut bytes, number);
        }
        let mut reader = Reader(&bytes);
        assert_eq!(numbers.map(|_| reader.signed().expect("is there")), numbers);
        assert!(reader.is_empty() && reader.number().is_none());
    }

    #[test]
    fn points_come_back_as_they_were_and_small_ones_are_short() {
        let many = Statistics { count: 3.0, sum: 1.5, min: -0.25, max: 1e300 };
        let all = [Statistics::of(7.0), Statistics::of(0.1), many, Statistics::of(-1e18)];
        let points: BTreeMap<i64, Statistics> =
            all.into_iter().zip(0..).map(|(it, at)| (1_700_000_000 + at * 60, it)).collect();
        let mut bytes = Vec::new();
        write_points(&mut bytes, &points);
        assert_eq!(read_points(&bytes), points.into_iter().collect::<Vec<_>>());
        assert_eq!(read_points(&bytes[..bytes.len() - 1]).len(), 3);
        let mut one = Vec::new();
        write_statistics(&mut one, Statistics::of(7.0));
        assert_eq!(one.len(), 2);
    }

    #[test]
    fn names_come_back_as_they_were() {
        let dimensions = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "ü".to_owned())];
        let series = Series::new("AWS/ECS", "CPUUtilization", dimensions, "Percent");
        let mut bytes = Vec::new();
        write_name(&mut bytes, &series);
        assert_eq!(Reader(&bytes).name(), Some(series));
        assert_eq!(Reader(&bytes[..9]).name(), None);
    }
}
