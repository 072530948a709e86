//! Tables of the file, read key by key.
//!
//! Reading a key registers it; unread keys are reported as unknown. So all problems of a file are found in one pass
//! with their places, where a derived parser stops at the first.

use super::problems::{Problem, Problems, did_you_mean};
use crate::model::Timestamp;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file being read, and the problems and warnings found.
pub(super) struct Reading<'a> {
    text: &'a str,
    file: &'a Path,
    now: Timestamp,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Every key that was read, as the example must show it: `account.name`, whichever account it was.
    keys_read: BTreeSet<String>,
}

/// A table of the file.
pub(super) struct Section<'a> {
    /// Its name for people, `account "main"`, or empty for the file itself.
    title: String,
    /// Its name in the file, `account`.
    path: String,
    table: Cow<'a, DeTable<'a>>,
    span: Range<usize>,
    read: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a str, file: &'a Path, now: Timestamp) -> Self {
        Self { text, file, now, problems: Vec::new(), warnings: Vec::new(), keys_read: BTreeSet::new() }
    }

    /// The time at which the file is read.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Resolves a path of the file relative to the file.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// Records a problem with a key of `section`; `text` follows the key's name. If the key is absent, the place is
    /// the section's.
    pub(super) fn problem(&mut self, section: &Section<'_>, key: &str, text: impl AsRef<str>) {
        let span = section.table.get(key).map_or_else(|| section.span.clone(), Spanned::span);
        let place = Some(self.place(span.start));
        self.problems.push(Problem { place, text: format!("{} {}", section.named(key), text.as_ref()) });
    }

    /// A line about a key of `section`, with its place; `text` follows the key's name. Records nothing.
    pub(super) fn line(&self, section: &Section<'_>, key: &str, text: &str) -> String {
        let span = section.table.get(key).map_or_else(|| section.span.clone(), Spanned::span);
        let (line, column) = self.place(span.start);
        format!("{}:{line}:{column}: {} {text}", self.file.display(), section.named(key))
    }

    /// Records something that is allowed but suspicious.
    pub(super) fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// The problems so far.
    pub(super) fn problems(&self) -> Problems {
        Problems::new(self.file, self.problems.clone())
    }

    /// The warnings so far.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Every key that was read.
    #[cfg(test)]
    pub(super) fn keys_read(&self) -> &BTreeSet<String> {
        &self.keys_read
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl<'a> Section<'a> {
    /// Parses the whole file, or records every syntax error and returns `None`.
    pub(super) fn parse(reading: &mut Reading<'a>) -> Option<Self> {
        let (root, errors) = DeTable::parse_recoverable(reading.text);
        for error in &errors {
            let place = error.span().map(|span| reading.place(span.start));
            // The parser's message without its excerpt, which could show a secret.
            reading.problems.push(Problem { place, text: format!("invalid TOML: {}", error.message()) });
        }
        if !errors.is_empty() {
            return None;
        }
        Some(Self {
            title: String::new(),
            path: String::new(),
            span: 0..0,
            table: Cow::Owned(root.into_inner()),
            read: RefCell::default(),
        })
    }

    /// An absent table: every key has its default.
    pub(super) fn empty(outer: &Section<'_>, key: &'static str) -> Self {
        Self {
            title: outer.named(key),
            path: outer.within(key),
            table: Cow::Owned(DeTable::new()),
            span: outer.span.clone(),
            read: RefCell::default(),
        }
    }

    /// A text, if present and well-formed; records nothing.
    pub(super) fn peek_text(&self, key: &'static str) -> Option<&str> {
        self.table.get(key)?.get_ref().as_str()
    }

    /// A text in a table of this section, if present and well-formed; records nothing.
    pub(super) fn peek_text_in(&self, table: &'static str, key: &'static str) -> Option<&str> {
        self.table.get(table)?.get_ref().as_table()?.get(key)?.get_ref().as_str()
    }

    /// How messages name a key of this section.
    pub(super) fn named(&self, key: &str) -> String {
        if self.title.is_empty() { key.to_owned() } else { format!("{}.{key}", self.title) }
    }

    /// Whether the key is present.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    /// A text, if present.
    pub(super) fn text(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<&str> {
        let value = self.ask(key, reading)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.is_no(key, value, "text in quotes", reading);
        }
        text.filter(|text| self.is_whole_path(key, text, reading))
    }

    /// A required text; `fix` describes it.
    pub(super) fn required_text(&self, key: &'static str, fix: &str, reading: &mut Reading<'_>) -> Option<&str> {
        if !self.has(key) {
            self.ask(key, reading);
            reading.problem(self, key, format!("is missing: give {fix}"));
            return None;
        }
        self.text(key, reading)
    }

    /// A list of texts, if present.
    pub(super) fn texts(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<Vec<&str>> {
        let value = self.ask(key, reading)?;
        let texts = value
            .get_ref()
            .as_array()
            .and_then(|array| array.iter().map(|text| text.get_ref().as_str()).collect::<Option<Vec<_>>>());
        if texts.is_none() {
            self.is_no(key, value, "a list of texts, as in [\"one\", \"two\"]", reading);
        }
        texts.filter(|texts| texts.iter().all(|text| self.is_whole_path(key, text, reading)))
    }

    /// Records a path that starts with `~`: only a shell expands it, and a directory named `~` is not meant.
    fn is_whole_path(&self, key: &str, text: &str, reading: &mut Reading<'_>) -> bool {
        let is_path = key == "data_dir" || key == "store" || key.ends_with("_file") || key.ends_with("_files");
        let is_whole = !(is_path && text.starts_with('~'));
        if !is_whole {
            let text = format!("{text:?} starts with ~, which only a shell expands: write the full path");
            reading.problem(self, key, text);
        }
        is_whole
    }

    /// A boolean; false if absent.
    pub(super) fn flag(&self, key: &'static str, reading: &mut Reading<'_>) -> bool {
        let Some(value) = self.ask(key, reading) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.is_no(key, value, "true or false", reading);
            false
        })
    }

    /// A whole number in a range, or `default` if absent or invalid.
    pub(super) fn count(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<usize>,
        default: usize,
        reading: &mut Reading<'_>,
    ) -> usize {
        let Some(value) = self.ask(key, reading) else { return default };
        let (least, most) = (range.start(), range.end());
        let Some(integer) = value.get_ref().as_integer() else {
            self.is_no(key, value, &format!("a whole number from {least} to {most}"), reading);
            return default;
        };
        match usize::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(count) if range.contains(&count) => count,
            _ => {
                let fix = format!("use {least} to {most}, or omit it for the default {default}");
                reading.problem(self, key, format!("is {integer}: {fix}"));
                default
            }
        }
    }

    /// A list of whole numbers in a range; empty if absent.
    pub(super) fn counts(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u16>,
        reading: &mut Reading<'_>,
    ) -> Vec<u16> {
        let Some(value) = self.ask(key, reading) else { return Vec::new() };
        let count = |item: &Spanned<DeValue<'_>>| {
            let integer = item.get_ref().as_integer()?;
            u16::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|count| range.contains(count))
        };
        let counts = value.get_ref().as_array().and_then(|items| items.iter().map(count).collect::<Option<Vec<_>>>());
        counts.unwrap_or_else(|| {
            let (least, most) = (range.start(), range.end());
            reading.problem(self, key, format!("is not a list of whole numbers from {least} to {most}: correct it"));
            Vec::new()
        })
    }

    /// A table of texts by names that are the file's own, if present.
    pub(super) fn words(&self, key: &'static str, reading: &mut Reading<'_>) -> Vec<(&str, &str)> {
        let Some(value) = self.ask(key, reading) else { return Vec::new() };
        let words = value.get_ref().as_table().and_then(|table| {
            table.iter().map(|(name, text)| Some((&**name.get_ref(), text.get_ref().as_str()?))).collect::<Option<_>>()
        });
        words.unwrap_or_else(|| {
            self.is_no(key, value, "a table of texts, as in { one = \"two\" }", reading);
            Vec::new()
        })
    }

    /// Records a key that goes with another setting only; `why` follows its name.
    pub(super) fn excluded(&self, key: &'static str, why: &str, reading: &mut Reading<'_>) {
        if self.ask(key, reading).is_some() {
            reading.problem(self, key, why);
        }
    }

    /// A time, as a TOML date-time or a string.
    pub(super) fn moment(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<Timestamp> {
        let value = self.ask(key, reading)?;
        let text = match value.get_ref() {
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let moment = Timestamp::parse(&text);
        if moment.is_none() {
            self.is_no(key, value, "a date and time with its zone, as in 2026-01-31T12:00:00Z", reading);
        }
        moment
    }

    /// A subtable, if present.
    pub(super) fn section(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<Section<'_>> {
        let value = self.ask(key, reading)?;
        let Some(table) = value.get_ref().as_table() else {
            self.is_no(key, value, &format!("a table, as in [{}]", self.within(key)), reading);
            return None;
        };
        Some(self.inner(key, self.named(key), table, value.span()))
    }

    /// The tables of a list; empty if absent.
    pub(super) fn sections(&self, key: &'static str, reading: &mut Reading<'_>) -> Vec<Section<'_>> {
        let Some(value) = self.ask(key, reading) else { return Vec::new() };
        let tables = value.get_ref().as_array().and_then(|array| {
            array.iter().map(|item| Some((item.get_ref().as_table()?, item.span()))).collect::<Option<Vec<_>>>()
        });
        let Some(tables) = tables else {
            self.is_no(key, value, &format!("a list of tables, as in [[{}]]", self.within(key)), reading);
            return Vec::new();
        };
        let titled = tables.into_iter().enumerate().map(|(index, (table, span))| {
            // A name identifies the table better than an index, if it has one.
            let named = ["name", "id"].iter().find_map(|key| table.get(*key)?.get_ref().as_str());
            let title = match named {
                Some(name) => format!("{}[{name:?}]", self.named(key)),
                None => format!("{}[{}]", self.named(key), index + 1),
            };
            self.inner(key, title, table, span)
        });
        titled.collect()
    }

    /// Records every key that has not been read.
    pub(super) fn no_other_keys(&self, reading: &mut Reading<'_>) {
        let read = self.read.borrow();
        let known: Vec<_> = read.iter().copied().collect();
        for key in self.table.keys().filter(|key| !read.contains(key.get_ref().as_ref())) {
            let place = Some(reading.place(key.span().start));
            let meant = did_you_mean(key.get_ref(), known.iter().copied());
            let named = self.named(key.get_ref());
            let text = format!("{named} is an unknown key: {meant}remove it, or use one of {}", known.join(", "));
            reading.problems.push(Problem { place, text });
        }
    }

    fn ask(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<&Spanned<DeValue<'a>>> {
        self.read.borrow_mut().insert(key);
        reading.keys_read.insert(self.within(key));
        self.table.get(key)
    }

    /// The value is not shown: it may be a secret pasted where its file's name belongs.
    fn is_no(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, reading: &mut Reading<'_>) {
        reading.problem(self, key, format!("is of type {}: write {wanted}", value.get_ref().type_str()));
    }

    fn within(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn inner<'b>(&'b self, key: &str, title: String, table: &'b DeTable<'a>, span: Range<usize>) -> Section<'b> {
        Section { title, path: self.within(key), table: Cow::Borrowed(table), span, read: RefCell::default() }
    }
}
