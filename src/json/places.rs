//! Finds the lines and columns of problems, in a second pass over a text that has some.

use super::findings::{Problem, element, within};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Result as IoResult};

/// Sets the place of each problem: that of its field, or of the nearest enclosing one that exists.
pub(super) fn places(text: &str, problems: &mut [Problem]) {
    let mut found: HashMap<String, Option<usize>> = HashMap::new();
    for problem in problems.iter() {
        found.extend(enclosing(&problem.field).map(|path| (path.to_owned(), None)));
    }
    let read = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_reader(Counted { text: text.as_bytes(), read: &read });
    // A text with a syntax error has no other problems, so this does not fail.
    let _ = Part { path: String::new(), found: &mut found, read: &read }.deserialize(&mut reader);
    let at = |problem: &Problem| enclosing(&problem.field).find_map(|path| found.get(path).copied().flatten());
    let mut unplaced: Vec<_> = problems.iter_mut().filter(|problem| problem.place.is_none()).collect();
    unplaced.sort_by_key(|problem| at(problem));
    let mut lines = Lines { text, read: 0, line: 1, column: 1 };
    for problem in unplaced {
        problem.place = at(problem).map(|at| lines.place(at));
    }
}

/// A path and the paths of what it is in, from the inside out. Keys may contain dots, so some of them do not exist.
fn enclosing(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path).filter(|path| !path.is_empty()), |path| {
        path.rfind(['.', '[']).map(|end| &path[..end]).filter(|path| !path.is_empty())
    })
}

/// Counts the lines and columns of a text, from 1, up to the byte `read`.
struct Lines<'a> {
    text: &'a str,
    read: usize,
    line: usize,
    column: usize,
}

impl Lines<'_> {
    /// Line and column of a byte at or after the last one asked for, so that the text is read once.
    fn place(&mut self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at).max(self.read);
        for character in self.text[self.read..at].chars() {
            (self.line, self.column) =
                if character == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.read = at;
        (self.line, self.column)
    }
}

/// Counts the bytes read. The parser reads one byte at a time and no further than the first byte of a key or value
/// before it visits it.
struct Counted<'a> {
    text: &'a [u8],
    read: &'a Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        let count = self.text.read(into)?;
        self.read.set(self.read.get() + count);
        Ok(count)
    }
}

/// The value at `path`, in which the places of wanted keys and elements are looked for.
struct Part<'a> {
    path: String,
    found: &'a mut HashMap<String, Option<usize>>,
    read: &'a Cell<usize>,
}

impl Part<'_> {
    /// What is in this at `path`, if that is wanted; it begins at `at`. Of duplicate keys the last counts, as in the
    /// tree.
    fn inner(&mut self, path: String, at: usize) -> Option<Part<'_>> {
        *self.found.get_mut(&path)? = Some(at);
        Some(Part { path, found: self.found, read: self.read })
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

/// The next element of the list `.0`, with its index.
struct Element<'a, 'b>(&'a mut Part<'b>, usize);

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        let at = begin(self.0.read);
        let path = element(&self.0.path, self.1);
        match self.0.inner(path, at) {
            Some(part) => part.deserialize(reader),
            None => IgnoredAny::deserialize(reader).map(drop),
        }
    }
}

/// The next key, with its place.
struct Key<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = (String, usize);

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(String, usize), D::Error> {
        let at = begin(self.0);
        Ok((String::deserialize(reader)?, at))
    }
}

/// The place of what is read next: its first byte has been read.
fn begin(read: &Cell<usize>) -> usize {
    read.get().saturating_sub(1)
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items.next_element_seed(Element(&mut self, index))?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some((key, at)) = entries.next_key_seed(Key(self.read))? {
            let path = within(&self.path, &key);
            match self.inner(path, at) {
                Some(part) => entries.next_value_seed(part)?,
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Findings;
    use crate::rules::refusal::Code;

    #[test]
    fn a_problem_has_the_place_of_its_field_or_of_the_nearest_enclosing_one() {
        let text =
            "{\n  \"à\": 1, \"queues\": { \"a.b\": {\n\t\"name\": [1, {\"x\": 2}, \"z\"] } },\n \"n\":1, \"n\": 2\n}";
        for (field, expected) in [
            ("queues", Some((2, 11))),
            ("queues.a.b", Some((2, 23))),
            ("queues.a.b.name", Some((3, 2))),
            ("queues.a.b.name[1]", Some((3, 11))),
            ("queues.a.b.name[2].x", Some((3, 15))),
            ("queues.a.b.name[2].y", Some((3, 14))),
            ("queues.a.b.name[3]", Some((3, 24))),
            ("queues.a.b.label", Some((2, 23))),
            ("n", Some((4, 9))),
            ("settings", None),
            ("", None),
        ] {
            let findings = Findings::of("the document");
            findings.note(field, Code::InvalidField, "is wrong");
            assert_eq!(findings.problems_in(text)[0].place, expected, "{field}");
        }
    }

    #[test]
    fn problems_keep_their_order_and_each_has_its_own_place() {
        let text = "{\"b\": 1,\n\"é\": 2, \"c\": 3}";
        let findings = Findings::of("the document");
        for field in ["c", "b", "nowhere", "c"] {
            findings.note(field, Code::InvalidField, "is wrong");
        }
        let found: Vec<_> =
            findings.problems_in(text).into_iter().map(|problem| (problem.field, problem.place)).collect();
        let expected = [("c", Some((2, 9))), ("b", Some((1, 2))), ("nowhere", None), ("c", Some((2, 9)))];
        assert_eq!(found, expected.map(|(field, place)| (field.to_owned(), place)));
    }
}
