//! What shows what: each requirement (R), shape (D) and decision (A) of `list.txt` is shown by a test that carries its
//! number in its name, and `docs/REQUIREMENTS.md` is the table of all of them.

mod list;
mod names;

use list::Requirement;
use names::Test;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The document, below the directory of the project.
const DOCUMENT: &str = "docs/REQUIREMENTS.md";

const HEAD: &str = "# Requirements and the tests that show them

Each requirement (R), shape (D) and decision (A) is shown by a test with its number in its name
(`cargo test -- --list | grep r52_`); one without a test fails `cargo test --test requirements`, which also writes this
page (`OFFHOOK_WRITE_DOCS=1`). Where a part is still to be built, it says `later`.

";

/// When set, the test writes the document instead of comparing it.
const WRITE: &str = "OFFHOOK_WRITE_DOCS";

/// Tests of one number that the table names; the rest are counted.
const SHOWN_MAX: usize = 3;

#[test]
fn each_number_is_shown_by_a_test_and_no_test_names_one_that_is_none() {
    let tests = names::all(&root());
    let mut problems = names::unknown(&tests);
    problems.extend(not_shown(&requirements(), &tests));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_document_has_the_table_of_requirements_and_tests() {
    let path = root().join(DOCUMENT);
    let expected = format!("{HEAD}{}", table(&requirements(), &names::all(&root())));
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
    assert_eq!(problems, ["R7 (Agents send.) is shown by no test: write one with r7_ in its name"]);
    assert!(not_shown(&requirements, &[test("rules/sending", "a35_r7_the_phase")]).is_empty());
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
    ];
    let expected = "| | What | Shown by |\n|---|---|---|\n\
        | R7 | Agents send. | `b::r7_first`<br>`c::r7_and_r7_again`<br>`b::a1_r7_second`<br>and 1 more |\n\
        | R12 | Photos come in. | later: their bytes |\n";
    assert_eq!(table(&requirements, &tests), expected);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn requirements() -> Vec<Requirement> {
    let all = list::read(include_str!("list.txt")).and_then(list::whole);
    all.unwrap_or_else(|problems| panic!("tests/requirements/list.txt:\n{}", problems.join("\n")))
}

/// What is shown by no test, and may not wait.
fn not_shown(requirements: &[Requirement], tests: &[Test]) -> Vec<String> {
    let shown = |requirement: &Requirement| tests.iter().any(|test| test.names(requirement.number).is_some());
    let missing = requirements.iter().filter(|requirement| requirement.later.is_none() && !shown(requirement));
    let problem = |requirement: &Requirement| {
        let Requirement { number, sentence, .. } = requirement;
        format!("{number} ({sentence}) is shown by no test: write one with {} in its name", number.token())
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
        let mut shown: Vec<_> = named.iter().take(SHOWN_MAX).map(|(_, test)| format!("`{test}`")).collect();
        if named.len() > SHOWN_MAX {
            shown.push(format!("and {} more", named.len() - SHOWN_MAX));
        }
        shown.extend(later.as_ref().map(|later| format!("later: {later}")));
        let row = writeln!(table, "| {number} | {sentence} | {} |", shown.join("<br>"));
        row.expect("a String takes everything");
    }
    table
}

fn test(place: &str, name: &str) -> Test {
    Test { place: place.to_owned(), name: name.to_owned() }
}
