//! The problems of a configuration.

use crate::rules::near::nearest;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// All problems of a file, or of a text without a file; printed one per line, then their count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Empty if there is no file; then lines do not start with its name.
    file: PathBuf,
    pub(super) list: Vec<Problem>,
}

/// One problem and its fix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    /// Line and column, from 1, if known.
    pub(super) place: Option<(usize, usize)>,
    /// Key, problem and fix.
    pub(super) text: String,
}

/// A "did you mean" prefix for a fix; empty if no known word is similar.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|meant| format!("did you mean {meant:?}? ")).unwrap_or_default()
}

impl Problems {
    /// Problems of `file`, in the order of its lines; those without a line come last.
    pub(super) fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.place.is_none(), problem.place));
        Self { file: file.to_owned(), list }
    }

    /// The file cannot be read.
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self::of_file(
            file,
            format!(
                "cannot be read ({error}): pass the path of the configuration file, as in \
            config/offhook.toml"
            ),
        )
    }

    /// One problem that concerns the whole file.
    pub(super) fn of_file(file: &Path, text: String) -> Self {
        Self { file: file.to_owned(), list: vec![Problem { place: None, text }] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of problems.
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            if !self.file.as_os_str().is_empty() {
                write!(f, "{}:", self.file.display())?;
            }
            match problem.place {
                Some((line, column)) => writeln!(f, "{line}:{column}: {}", problem.text)?,
                None if self.file.as_os_str().is_empty() => writeln!(f, "{}", problem.text)?,
                None => writeln!(f, " {}", problem.text)?,
            }
        }
        write!(f, "{} problem{}", self.count(), if self.count() == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Problems {}
