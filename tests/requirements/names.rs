//! The names of all tests, read from their sources.
//!
//! A test is a function below a `#[test]` or `#[tokio::test]`, inside `proptest!` too. One that is ignored shows nothing.
//! Tests made by a suite's macro have no name of their own in the source, and are not seen.

use crate::list::Number;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A test, and the file it stands in: `machine/decide/tests/sending`, or `tests/gateway/api` for one from outside.
pub(crate) struct Test {
    pub(crate) place: String,
    pub(crate) name: String,
    /// Why it shows nothing alone.
    pub(crate) note: Option<&'static str>,
}

impl Test {
    /// How many numbers stand before this one in the name; nothing if it is not there.
    pub(crate) fn names(&self, number: Number) -> Option<usize> {
        self.numbers().position(|named| named == number)
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = Number> {
        numbers(&self.name)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.place, self.name)
    }
}

/// Every test of the project at `root`, file by file.
pub(crate) fn all(root: &Path) -> Vec<Test> {
    let mut tests = Vec::new();
    for path in files(root) {
        let source = fs::read_to_string(&path).expect("the source can be read");
        let place = place(root, &path);
        let test = |name| Test { place: place.clone(), name, note: None };
        tests.extend(in_source(&source).into_iter().map(test));
    }
    tests
}

/// The files of every source.
pub(crate) fn files(root: &Path) -> impl Iterator<Item = PathBuf> {
    let root = root.to_owned();
    ["src", "tests"].into_iter().flat_map(move |directory| sources(&root.join(directory)))
}

/// A file as [`Test::place`] has it.
pub(crate) fn place(root: &Path, path: &Path) -> String {
    let place = path.strip_prefix(root).expect("a source is below the root").with_extension("");
    place.strip_prefix("src").unwrap_or(&place).display().to_string()
}

/// Tests that name a number that does not exist.
pub(crate) fn unknown(tests: &[Test]) -> Vec<String> {
    let of = |test: &Test| {
        let none = numbers(&test.name).find(|number| !number.exists())?;
        Some(format!("{test} names {none}, which does not exist: correct the name"))
    };
    tests.iter().filter_map(of).collect()
}

fn numbers(name: &str) -> impl Iterator<Item = Number> {
    name.split('_').filter_map(Number::read)
}

/// Every source file, in the order of their names.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the entry can be read").path()).collect();
    paths.sort();
    let nested = paths.into_iter().flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The names of a file's tests, as rustfmt lays them out: attributes and comments on lines of their own, then `fn`.
fn in_source(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = source.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if !line.starts_with("#[test]") && !line.starts_with("#[tokio::test") {
            continue;
        }
        let mut ignored = false;
        let function = lines.by_ref().find(|line| {
            ignored |= line.starts_with("#[ignore");
            !line.starts_with("#[") && !line.starts_with("//") && !line.is_empty()
        });
        names.extend(function.filter(|_| !ignored).and_then(named).map(str::to_owned));
    }
    names
}

fn named(function: &str) -> Option<&str> {
    let name = function.strip_prefix("async ").unwrap_or(function).strip_prefix("fn ")?;
    let name = name.split(['(', '<']).next()?;
    (!name.contains('$')).then_some(name)
}

#[test]
fn tests_are_found_by_their_attributes_wherever_they_stand() {
    let source = [
        "#[test]",
        "fn r7_one() {",
        "    #[tokio::test(flavor = \"multi_thread\")]",
        "    async fn a53_two() {}",
        "fn no_test_r9() {}",
        "proptest! {",
        "    /// What it says.",
        "    #[test]",
        "    // And why.",
        "    #[allow(unused)]",
        "    fn three(",
        "        bytes in any::<u8>(),",
        "    ) {}",
        "#[test]",
        "#[ignore = \"slow\"]",
        "fn r8_never_run() {}",
        "        #[test]",
        "        fn $test() {",
    ];
    assert_eq!(in_source(&source.join("\n")), ["r7_one", "a53_two", "three"]);
}

#[test]
fn numbers_stand_between_underscores_and_goals_are_none() {
    let name = "a53_g5_r9_a_9_d_a1b_after_d2";
    let found: Vec<_> = numbers(name).map(|number| number.to_string()).collect();
    assert_eq!(found, ["A53", "R9", "D2"]);
    let (place, name) = ("tests/gateway/api".to_owned(), "r99_r7_it_sends".to_owned());
    let test = Test { place, name, note: None };
    assert_eq!(
        unknown(&[test]),
        ["tests/gateway/api::r99_r7_it_sends names R99, which does not exist: correct the name"]
    );
}
