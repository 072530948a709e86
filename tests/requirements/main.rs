//! What shows what: each requirement (R), shape (D) and decision (A) of `list.txt` is shown by a test that carries its
//! number in its name, and `docs/REQUIREMENTS.md` is the table of all of them.
//!
//! A test that may be skipped shows nothing alone, and a test of the crate must be about something that the program calls.

mod browser;
mod code;
mod list;
mod names;
mod reach;
mod skips;

use list::{Number, Requirement};
use names::Test;
use reach::{Crate, Unreached};
use skips::Skips;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The document, below the directory of the project.
const DOCUMENT: &str = "docs/REQUIREMENTS.md";

const HEAD: &str = "# Requirements and the tests that show them

Each requirement (R), shape (D) and decision (A) is shown by a test with its number in its name
(`cargo test -- --list | grep r52_`); one without a test fails `cargo test --test requirements`, which also writes this
page (`OFFHOOK_WRITE_DOCS=1`). Where a part is still to be built, it says `later`. A test that may be skipped, for want of a
tool or a right, is marked and shows nothing alone; so is one about a function that the program does not call yet.

";

/// Functions that tests are about and the program does not call, each with why. This only becomes smaller.
const UNREACHABLE: &str = include_str!("unreachable.txt");
const UNREACHABLE_LINES: usize = 0;

/// When set, the test writes the document instead of comparing it.
const WRITE: &str = "OFFHOOK_WRITE_DOCS";

/// The longest name of a test.
const NAME_MAX: usize = 80;

/// What people do at the console's pages: a test in a browser shows each.
const IN_A_BROWSER: [std::ops::RangeInclusive<u32>; 2] = [14..=17, 25..=63];

/// Tests of one number that the table names; the rest are counted.
const SHOWN_MAX: usize = 3;

#[test]
fn each_number_is_shown_by_a_test_and_no_test_names_one_that_is_none() {
    let tests = tests();
    let mut problems = names::unknown(&tests);
    problems.extend(not_shown(&requirements(), &tests));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_people_do_at_the_consoles_pages_is_shown_in_a_browser() {
    let tests = browser::all(&root());
    let numbers = IN_A_BROWSER.into_iter().flatten().map(|nth| Number::read(&format!("r{nth}")).expect("a number"));
    let missing: Vec<_> = numbers.filter(|number| tests.iter().all(|test| test.names(*number).is_none())).collect();
    let missing: Vec<_> = missing.iter().map(Number::to_string).collect();
    assert!(missing.is_empty(), "write a test in tests/browser with the number in its name: {}", missing.join(", "));
}

#[test]
fn a_tests_name_has_at_most_80_characters() {
    let all = names::all(&root()).into_iter().chain(browser::all(&root()));
    let long: Vec<_> = all.filter(|test| test.name.len() > NAME_MAX).collect();
    let long: Vec<_> = long.iter().map(Test::to_string).collect();
    assert!(long.is_empty(), "shorten the names of these tests:\n{}", long.join("\n"));
}

#[test]
fn a_numbered_test_that_returns_early_says_that_it_was_skipped() {
    let silent = skips::skips(&SOURCES).silent;
    let numbered = |test: &&Test| is_numbered(test);
    let silent: Vec<_> =
        tests().iter().filter(numbered).map(Test::to_string).filter(|name| silent.contains(name)).collect();
    assert!(silent.is_empty(), "a `return` makes these pass without showing anything:\n{}", silent.join("\n"));
}

#[test]
fn what_a_test_is_about_is_reached_by_the_program() {
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for line in UNREACHABLE.lines() {
        let (function, why) = line.split_once("  ").expect("a line is a function, two spaces and why");
        assert!(!why.is_empty() && expected.insert(function, 0).is_none(), "unreachable.txt: {line}");
    }
    assert_eq!(expected.len(), UNREACHABLE_LINES, "unreachable.txt only becomes smaller, and this number with it");
    let mut problems = Vec::new();
    for found in UNREACHED.iter() {
        match expected.get_mut(&*found.about) {
            Some(count) => *count += 1,
            None => problems.push(format!("{} is about {}, which the program never calls", found.test, found.about)),
        }
    }
    let idle = expected.iter().filter(|(_, count)| **count == 0);
    problems
        .extend(idle.map(|(function, _)| format!("unreachable.txt: no test needs the line of {function}: remove it")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_document_has_the_table_of_requirements_and_tests() {
    let path = root().join(DOCUMENT);
    let expected = format!("{HEAD}{}", table(&requirements(), &tests()));
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &expected).expect("the document can be written");
    }
    let found = fs::read_to_string(&path).expect("the document can be read");
    assert!(found == expected, "{DOCUMENT} is out of date: run {WRITE}=1 cargo test --test requirements");
}

#[test]
fn a_number_without_a_test_is_a_problem_unless_the_rest_of_it_comes_later() {
    let requirements = list::read("R7  Agents send.\nR12  Photos come in.  later: their bytes\n").unwrap();
    let problems = not_shown(&requirements, &[test("http/hooks", "d1_it_listens")]);
    assert_eq!(problems, ["R7 (Agents send.) is shown by no test that always runs: write one with r7_ in its name"]);
    let shows = test("rules/sending", "a35_r7_the_phase");
    assert!(not_shown(&requirements, &[shows]).is_empty());
    for note in [Some(MAY_SKIP), Some(NOT_CALLED)] {
        let alone = not_shown(&requirements, &[Test { note, ..test("tests/gateway/unit", "r7_as_systemd_has_it") }]);
        assert_eq!(alone.len(), 1, "{note:?}");
    }
}

#[test]
fn the_table_names_the_tests_that_are_most_about_a_number_and_counts_the_others() {
    let requirements = list::read("R7  Agents send.\nR12  Photos come in.  later: their bytes\n").unwrap();
    let tests = [
        test("b", "a1_r7_second"),
        test("b", "r7_first"),
        test("a", "a1_a2_r7_last"),
        test("c", "r7_and_r7_again"),
        test("a", "nothing"),
        Test { note: Some(MAY_SKIP), ..test("tests/faults/disk", "r7_r12_full") },
    ];
    let expected = "| | What | Shown by |\n|---|---|---|\n\
        | R7 | Agents send. | `b::r7_first`<br>`c::r7_and_r7_again`<br>`tests/faults/disk::r7_r12_full` (may be skipped)<br>and 2 more |\n\
        | R12 | Photos come in. | `tests/faults/disk::r7_r12_full` (may be skipped)<br>later: their bytes |\n";
    assert_eq!(table(&requirements, &tests), expected);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn requirements() -> Vec<Requirement> {
    let all = list::read(include_str!("list.txt")).and_then(list::whole);
    all.unwrap_or_else(|problems| panic!("tests/requirements/list.txt:\n{}", problems.join("\n")))
}

const MAY_SKIP: &str = "may be skipped";
const NOT_CALLED: &str = "not called yet";

/// Every test, with a note where it shows nothing alone.
fn tests() -> Vec<Test> {
    let Skips { may_skip, .. } = skips::skips(&SOURCES);
    let unreached: HashSet<&str> = UNREACHED.iter().map(|found| &*found.test).collect();
    let mut tests = names::all(&root());
    for test in &mut tests {
        let name = test.to_string();
        let not_called = unreached.contains(&*name).then_some(NOT_CALLED);
        test.note = if may_skip.contains(&name) { Some(MAY_SKIP) } else { not_called };
    }
    tests.extend(browser::all(&root()).into_iter().map(|test| Test { note: Some(MAY_SKIP), ..test }));
    tests
}

/// The tests of the crate with a number that are about what the program never calls.
static UNREACHED: LazyLock<Vec<Unreached>> = LazyLock::new(|| {
    let numbered = names::all(&root()).into_iter().filter(is_numbered);
    let numbered: HashSet<String> = numbered.map(|test| test.to_string()).collect();
    let of_crate: Vec<_> = SOURCES.iter().filter(|(path, _)| !path.starts_with("tests/")).cloned().collect();
    let mut found = Crate::read(&of_crate).unreached();
    found.retain(|found| numbered.contains(&found.test));
    found
});

fn is_numbered(test: &Test) -> bool {
    test.numbers().next().is_some()
}

/// Every source, with its path as tests have it.
static SOURCES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let read =
        |path: PathBuf| (names::place(&root(), &path), fs::read_to_string(&path).expect("the source can be read"));
    names::files(&root()).map(read).collect()
});

/// What no test shows that always runs, and may not wait.
fn not_shown(requirements: &[Requirement], tests: &[Test]) -> Vec<String> {
    let shows = |test: &Test, number| test.note.is_none() && test.names(number).is_some();
    let shown = |requirement: &Requirement| tests.iter().any(|test| shows(test, requirement.number));
    let missing = requirements.iter().filter(|requirement| requirement.later.is_none() && !shown(requirement));
    let problem = |requirement: &Requirement| {
        let Requirement { number, sentence, .. } = requirement;
        format!(
            "{number} ({sentence}) is shown by no test that always runs: write one with {} in its name",
            number.token()
        )
    };
    missing.map(problem).collect()
}

/// The table. Of the tests of a number those stand first whose names begin with it, since it is what they are
/// about; then they go by their place.
fn table(requirements: &[Requirement], tests: &[Test]) -> String {
    let mut table = "| | What | Shown by |\n|---|---|---|\n".to_owned();
    for Requirement { number, sentence, later } in requirements {
        let mut named: Vec<_> = tests.iter().filter_map(|test| Some((test.names(*number)?, test))).collect();
        named.sort_by_key(|(nth, test)| (*nth, &test.place, &test.name));
        // One in a browser is among those that are named.
        if let Some(at) = named.iter().position(|(_, test)| browser::is_one(test)).filter(|at| *at >= SHOWN_MAX) {
            named[SHOWN_MAX - 1..=at].rotate_right(1);
        }
        let mut shown: Vec<_> = named.iter().take(SHOWN_MAX).map(|(_, test)| shown_as(test)).collect();
        if named.len() > SHOWN_MAX {
            shown.push(format!("and {} more", named.len() - SHOWN_MAX));
        }
        shown.extend(later.as_ref().map(|later| format!("later: {later}")));
        let row = writeln!(table, "| {number} | {sentence} | {} |", shown.join("<br>"));
        row.expect("a String takes everything");
    }
    table
}

fn shown_as(test: &Test) -> String {
    let note = test.note.map(|note| format!(" ({note})")).unwrap_or_default();
    format!("`{test}`{note}")
}

fn test(place: &str, name: &str) -> Test {
    Test { place: place.to_owned(), name: name.to_owned(), note: None }
}
