//! Problems of a document, collected while it is read.

use crate::config::problems::{Problem, Problems};
use crate::rules::directory::Violation;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::Path;

/// Maximum number of problems shown. Beyond that they usually repeat one mistake.
pub(super) const PROBLEMS_MAX: usize = 1_000;

/// Maximum length in characters of a value shown in a message.
const SHOWN_MAX_CHARACTERS: usize = 64;

/// Problems so far, in the order of the document's parts.
#[derive(Default)]
pub(super) struct Findings {
    list: RefCell<Vec<Problem>>,
    stand_ins: RefCell<HashSet<String>>,
    more: Cell<bool>,
}

impl Findings {
    /// Records a problem at `path`, and its fix.
    pub(super) fn note(&self, path: &str, text: impl AsRef<str>) {
        let mut list = self.list.borrow_mut();
        if list.len() == PROBLEMS_MAX {
            self.more.set(true);
            return;
        }
        let path = if path.is_empty() { "the document" } else { path };
        list.push(Problem { place: None, text: format!("{path}: {}", text.as_ref()) });
    }

    /// Marks the value at `path` as a placeholder for a missing one, whose problem has been recorded.
    pub(super) fn stand_in(&self, path: String) {
        self.stand_ins.borrow_mut().insert(path);
    }

    /// Records a broken rule, unless a placeholder breaks it: one mistake is one line.
    pub(super) fn breach(&self, breach: Violation) {
        let Violation { at, problem, .. } = breach;
        if !self.stand_ins.borrow().contains(&at) {
            self.note(&at, problem);
        }
    }

    /// All of them, as problems of `file`.
    pub(super) fn problems(self, file: &Path) -> Problems {
        let mut list = self.list.into_inner();
        if self.more.get() {
            let text = format!("there are more than {PROBLEMS_MAX} problems: fix these first");
            list.push(Problem { place: None, text });
        }
        Problems::new(file, list)
    }
}

/// The path of `key` in the object at `path`.
pub(super) fn within(path: &str, key: &str) -> String {
    let plain = (1..=SHOWN_MAX_CHARACTERS).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:+-".contains(&byte));
    let key = if plain { Cow::Borrowed(key) } else { Cow::Owned(shown(key)) };
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}

/// A value as a message may show it: in quotes, on one line, and shortened.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX_CHARACTERS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
