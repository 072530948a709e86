//! The problems of a JSON document, collected while it is read.

use super::places::places;
use crate::model::Resource;
use crate::rules::directory::Violation;
use crate::rules::refusal::Code;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// Maximum number of problems shown. Beyond that they usually repeat one mistake.
pub const PROBLEMS_MAX: usize = 1_000;

/// Maximum number of values in what is read. Each takes some hundred bytes of memory as a part of the tree, however short
/// it is; the longest document that is read has fewer, unless it consists of empty values.
pub(super) const VALUES_MAX: usize = 3_000_000;

/// The error of a text that has more.
pub(super) const TOO_MANY_VALUES: &str = "too many values";

/// Maximum length in characters of a key shown in a message.
const SHOWN_MAX_CHARACTERS: usize = 64;

/// One problem and its fix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The field's path, like `queues.support.inbound_numbers[2]`; empty for the document as a whole.
    pub field: String,
    /// The code of an API response with this problem.
    pub code: Code,
    /// What is wrong with which field, and how to fix it.
    pub detail: String,
    /// Line and column, from 1, if known.
    pub place: Option<(usize, usize)>,
}

impl Problem {
    /// The problem of a text that is not JSON, or that has too many values.
    pub fn syntax(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        if what == TOO_MANY_VALUES {
            let detail = format!("the document has more than {VALUES_MAX} values: remove some of them");
            return Self { field: String::new(), code: Code::BodyTooLarge, detail, place: None };
        }
        Self {
            field: String::new(),
            code: Code::MalformedJson,
            detail: format!("invalid JSON: {what}: correct it here or just before"),
            // serde_json reports the end of an empty line as column 0.
            place: Some((error.line().max(1), error.column().max(1))),
        }
    }
}

/// Problems so far, in the order in which they were found.
pub struct Findings {
    /// What is read, for messages about the whole: "the document", "the body".
    whole: &'static str,
    list: RefCell<Vec<Problem>>,
    stand_ins: RefCell<HashSet<String>>,
    more: Cell<bool>,
    values: Cell<usize>,
}

impl Findings {
    /// No problems yet of `whole`, which is "the document" or "the body".
    pub fn of(whole: &'static str) -> Self {
        Self {
            whole,
            list: RefCell::default(),
            stand_ins: RefCell::default(),
            more: Cell::default(),
            values: Cell::default(),
        }
    }

    /// Counts one more value; `false` if there are too many.
    pub(super) fn count_value(&self) -> bool {
        self.values.set(self.values.get() + 1);
        self.values.get() <= VALUES_MAX
    }

    /// Records a problem; `detail` is a whole sentence.
    pub fn problem(&self, field: String, code: Code, detail: String) {
        if self.has_room() {
            self.list.borrow_mut().push(Problem { field, code, detail, place: None });
        }
    }

    /// Whether one more problem is shown; asked before it is written. If not, it is known that there are more.
    pub(super) fn has_room(&self) -> bool {
        let has_room = self.list.borrow().len() < PROBLEMS_MAX;
        self.more.set(self.more.get() || !has_room);
        has_room
    }

    /// Whether there is no problem so far.
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Records a problem of a field; `text` follows its name.
    pub fn note(&self, field: &str, code: Code, text: &str) {
        let detail = if field.is_empty() { format!("{} {text}", self.whole) } else { format!("`{field}` {text}") };
        self.problem(field.to_owned(), code, detail);
    }

    /// Marks the value at `path` as a placeholder for a missing one, whose problem has been recorded.
    pub(super) fn stand_in(&self, path: String) {
        self.stand_ins.borrow_mut().insert(path);
    }

    /// Records a broken rule, unless a placeholder breaks it: one mistake is one problem. Its path is that of someone
    /// who changes `this` resource alone; `None` is the whole document.
    pub fn violation(&self, violation: Violation, this: Option<&Resource>) {
        let field = violation.field_of(this);
        if !self.stand_ins.borrow().contains(&field) {
            let detail = if field.is_empty() { violation.problem } else { format!("{field}: {}", violation.problem) };
            self.problem(field, violation.code, detail);
        }
    }

    /// The problems in the order in which they were found.
    pub fn problems(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        if self.more.get() {
            let detail = format!("there are more than {PROBLEMS_MAX} problems: fix these first");
            list.push(Problem { field: String::new(), code: Code::InvalidField, detail, place: None });
        }
        list
    }

    /// The problems with their places in `text`, which is what was read. A missing field has the place of its object.
    pub fn problems_in(self, text: &str) -> Vec<Problem> {
        let mut list = self.problems();
        places(text, &mut list);
        list
    }
}

/// The path of `key` in the object at `path`.
pub(super) fn within(path: &str, key: &str) -> String {
    let plain = (1..=SHOWN_MAX_CHARACTERS).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:+-".contains(&byte));
    let key = if plain { Cow::Borrowed(key) } else { Cow::Owned(shown(key)) };
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}

/// The path of an element, counted from 1, of the list at `path`.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{}]", index + 1)
}

/// A key as a message may show it: in quotes, on one line, and shortened.
fn shown(text: &str) -> String {
    let (start, cut) = match text.char_indices().nth(SHOWN_MAX_CHARACTERS) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
    };
    let quoted = format!("{start:?}");
    // Escapes make it longer again.
    match quoted.char_indices().nth(SHOWN_MAX_CHARACTERS + 2) {
        Some((end, _)) => format!("{}…", &quoted[..end]),
        None => format!("{quoted}{cut}"),
    }
}
