//! Tables of the file, read key by key.
//!
//! Whoever asks for a key says by that that it exists: what nobody has asked for is an unknown key. So one look at a file
//! finds everything that is wrong with it, with its place, where a derived parser would stop at the first.

use super::problems::{Problem, Problems, did_you_mean};
use crate::model::Timestamp;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file being read, and what was found out about it.
pub(super) struct Reading<'a> {
    text: &'a str,
    file: &'a Path,
    now: Timestamp,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Every key that was asked for, as the example has to show it: `account.name`, whichever account it was.
    asked: BTreeSet<String>,
}

/// A table of the file.
pub(super) struct Section<'a> {
    /// Its name for people, `account "main"`, or empty for the file itself.
    title: String,
    /// Its name in the file, `account`.
    path: String,
    table: Cow<'a, DeTable<'a>>,
    span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a str, file: &'a Path, now: Timestamp) -> Self {
        Self { text, file, now, problems: Vec::new(), warnings: Vec::new(), asked: BTreeSet::new() }
    }

    /// When the file is read.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// A path as it stands in the file, made absolute or relative to where we run.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// Notes a problem with a key of `section`; `text` goes on after the key's name. Where the key is missing, the place
    /// is the section's.
    pub(super) fn problem(&mut self, section: &Section<'_>, key: &str, text: impl AsRef<str>) {
        let span = section.table.get(key).map_or_else(|| section.span.clone(), Spanned::span);
        let place = Some(self.place(span.start));
        self.problems.push(Problem { place, text: format!("{} {}", section.named(key), text.as_ref()) });
    }

    /// A line about a key of `section`, with its place; `text` goes on after the key's name. Nothing is noted.
    pub(super) fn line(&self, section: &Section<'_>, key: &str, text: &str) -> String {
        let span = section.table.get(key).map_or_else(|| section.span.clone(), Spanned::span);
        let (line, column) = self.place(span.start);
        format!("{}:{line}:{column}: {} {text}", self.file.display(), section.named(key))
    }

    /// Notes something that is allowed but worth a second look.
    pub(super) fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// What was found wrong so far.
    pub(super) fn problems(&self) -> Problems {
        Problems::new(self.file, self.problems.clone())
    }

    /// What is worth a second look so far.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
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
    /// The whole file, or nothing where it is no TOML: every such place is noted.
    pub(super) fn parse(reading: &mut Reading<'a>) -> Option<Self> {
        let (root, errors) = DeTable::parse_recoverable(reading.text);
        for error in &errors {
            let place = error.span().map(|span| reading.place(span.start));
            // The parser's words, and not its excerpt: that would show what stands in the line.
            reading.problems.push(Problem { place, text: format!("is no TOML here: {}", error.message()) });
        }
        if !errors.is_empty() {
            return None;
        }
        Some(Self {
            title: String::new(),
            path: String::new(),
            span: 0..0,
            table: Cow::Owned(root.into_inner()),
            asked: RefCell::default(),
        })
    }

    /// A table that is not there: every key of it has its default.
    pub(super) fn empty(outer: &Section<'_>, key: &'static str) -> Self {
        Self {
            title: outer.named(key),
            path: outer.within(key),
            table: Cow::Owned(DeTable::new()),
            span: outer.span.clone(),
            asked: RefCell::default(),
        }
    }

    /// A text, if there is one that is right in itself; noting nothing.
    pub(super) fn peek_text(&self, key: &'static str) -> Option<&str> {
        self.table.get(key)?.get_ref().as_str()
    }

    /// What a key of this section is called in a message.
    pub(super) fn named(&self, key: &str) -> String {
        if self.title.is_empty() { key.to_owned() } else { format!("{}.{key}", self.title) }
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    /// A text, if there is one.
    pub(super) fn text(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<&str> {
        let value = self.ask(key, reading)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.is_no(key, value, "text in quotes", reading);
        }
        text.filter(|text| self.is_whole_path(key, text, reading))
    }

    /// A text that must be there; `way_out` says which.
    pub(super) fn required_text(&self, key: &'static str, way_out: &str, reading: &mut Reading<'_>) -> Option<&str> {
        if !self.has(key) {
            self.ask(key, reading);
            reading.problem(self, key, format!("is missing: give {way_out}"));
            return None;
        }
        self.text(key, reading)
    }

    /// A list of texts, if there is one.
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

    /// Notes a path that begins with `~`: only a shell knows whose home that is, and a directory named `~` is not meant.
    fn is_whole_path(&self, key: &str, text: &str, reading: &mut Reading<'_>) -> bool {
        let is_path = key == "data_dir" || key.ends_with("_file") || key.ends_with("_files");
        let is_whole = !(is_path && text.starts_with('~'));
        if !is_whole {
            let text = format!("{text:?} begins with ~, which only a shell replaces: write the whole path");
            reading.problem(self, key, text);
        }
        is_whole
    }

    /// A yes or no; no where it is missing.
    pub(super) fn flag(&self, key: &'static str, reading: &mut Reading<'_>) -> bool {
        let Some(value) = self.ask(key, reading) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.is_no(key, value, "true or false", reading);
            false
        })
    }

    /// A whole number in a range, or `default` where it is missing or wrong.
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
                let way_out = format!("use {least} to {most}, or leave it out for {default}");
                reading.problem(self, key, format!("is {integer}: {way_out}"));
                default
            }
        }
    }

    /// A moment, as a TOML date-time or the same in quotes.
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

    /// A table in this one, if there is one.
    pub(super) fn section(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<Section<'_>> {
        let value = self.ask(key, reading)?;
        let Some(table) = value.get_ref().as_table() else {
            self.is_no(key, value, &format!("a table, as in [{}]", self.within(key)), reading);
            return None;
        };
        Some(self.inner(key, self.named(key), table, value.span()))
    }

    /// The tables of a list in this one; none where it is missing.
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
            // A name says more than a number, should there be one.
            let named = ["name", "id"].iter().find_map(|key| table.get(*key)?.get_ref().as_str());
            let title = match named {
                Some(name) => format!("{}[{name:?}]", self.named(key)),
                None => format!("{}[{}]", self.named(key), index + 1),
            };
            self.inner(key, title, table, span)
        });
        titled.collect()
    }

    /// Notes every key that nobody has asked for.
    pub(super) fn no_other_keys(&self, reading: &mut Reading<'_>) {
        let asked = self.asked.borrow();
        let known: Vec<_> = asked.iter().copied().collect();
        for key in self.table.keys().filter(|key| !asked.contains(key.get_ref().as_ref())) {
            let place = Some(reading.place(key.span().start));
            let meant = did_you_mean(key.get_ref(), known.iter().copied());
            let named = self.named(key.get_ref());
            let text = format!("{named} is no key: {meant}remove it, or use one of {}", known.join(", "));
            reading.problems.push(Problem { place, text });
        }
    }

    fn ask(&self, key: &'static str, reading: &mut Reading<'_>) -> Option<&Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        reading.asked.insert(self.within(key));
        self.table.get(key)
    }

    /// The value is not shown: somebody may have written a secret where its file's name belongs.
    fn is_no(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, reading: &mut Reading<'_>) {
        reading.problem(self, key, format!("is of type {}: write {wanted}", value.get_ref().type_str()));
    }

    fn within(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn inner<'b>(&'b self, key: &str, title: String, table: &'b DeTable<'a>, span: Range<usize>) -> Section<'b> {
        Section { title, path: self.within(key), table: Cow::Borrowed(table), span, asked: RefCell::default() }
    }
}
