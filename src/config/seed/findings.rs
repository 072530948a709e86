//! What is wrong with a document, gathered while it is read.

use crate::config::problems::{Problem, Problems};
use crate::rules::directory::Violation;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::Path;

/// Problems that are shown. Who has more of them has made one mistake many times.
pub(super) const PROBLEMS_MAX: usize = 1_000;

/// Characters that a message shows of what stands in a document.
const SHOWN_MAX_CHARACTERS: usize = 64;

/// Problems so far, in the order of the document's parts.
#[derive(Default)]
pub(super) struct Findings {
    list: RefCell<Vec<Problem>>,
    stand_ins: RefCell<HashSet<String>>,
    more: Cell<bool>,
}

impl Findings {
    /// Notes what is wrong at `path`, and the way out.
    pub(super) fn note(&self, path: &str, text: impl AsRef<str>) {
        let mut list = self.list.borrow_mut();
        if list.len() == PROBLEMS_MAX {
            self.more.set(true);
            return;
        }
        let path = if path.is_empty() { "the document" } else { path };
        list.push(Problem { place: None, text: format!("{path}: {}", text.as_ref()) });
    }

    /// Says that what was read at `path` stands in for what is missing there, which has been noted.
    pub(super) fn stand_in(&self, path: String) {
        self.stand_ins.borrow_mut().insert(path);
    }

    /// Notes a broken rule, unless it is a stand-in that breaks it: one mistake is one line.
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
            let text = format!("there are more than {PROBLEMS_MAX} problems: correct these first");
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

/// Words of a document as a message may show them: in quotes, on one line, and not at length.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX_CHARACTERS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
