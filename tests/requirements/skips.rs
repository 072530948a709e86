//! Tests that may end without showing anything: they lack a tool or a right, call `skipped`, and return.

use crate::code::{self, Function};
use std::collections::{BTreeSet, HashSet};

/// The function that says that a test shows nothing here.
const SAYS_SO: &str = "skipped";

/// What every target from outside has a copy of.
const SHARED: &str = "tests/process/";

/// The tests that may be skipped, and those that return early without saying so, as the table of requirements names them.
pub(crate) struct Skips {
    pub(crate) may_skip: HashSet<String>,
    pub(crate) silent: BTreeSet<String>,
}

/// Finds them in sources, each with its path without `.rs`: `tests/gateway/api`, or `rules/media` for one of the crate.
pub(crate) fn skips(sources: &[(String, String)]) -> Skips {
    let read = |(path, source): &(String, String)| (path.clone(), code::read(&[], source).functions);
    let files: Vec<(String, Vec<Function>)> = sources.iter().map(read).collect();
    let target = |path: &str| path.split('/').take(2).collect::<Vec<_>>().join("/");
    let targets: BTreeSet<String> = files.iter().map(|(path, _)| target(path)).collect();
    let mut found = Skips { may_skip: HashSet::new(), silent: BTreeSet::new() };
    for this in targets {
        let of_target = || files.iter().filter(|(path, _)| target(path) == this);
        let shared = files.iter().filter(|(path, _)| path.starts_with(SHARED));
        let skipping = skipping(of_target().chain(shared).flat_map(|(_, functions)| functions));
        for (path, functions) in of_target() {
            for test in functions.iter().filter(|function| function.is_test) {
                let name = format!("{path}::{}", test.name);
                if mentions_any(test, &skipping) {
                    found.may_skip.insert(name);
                } else if test.mentions.iter().any(|mention| mention.name == "return") {
                    found.silent.insert(name);
                }
            }
        }
    }
    found
}

/// The names of the functions that may call [`SAYS_SO`], by others too.
fn skipping<'a>(functions: impl Iterator<Item = &'a Function>) -> HashSet<&'a str> {
    let functions: Vec<_> = functions.filter(|function| !function.name.is_empty()).collect();
    let mut names = HashSet::from([SAYS_SO]);
    loop {
        let before = names.len();
        let more = functions.iter().filter(|function| mentions_any(function, &names)).map(|function| &*function.name);
        names.extend(more.collect::<Vec<_>>());
        if names.len() == before {
            return names;
        }
    }
}

fn mentions_any(function: &Function, names: &HashSet<&str>) -> bool {
    function.mentions.iter().any(|mention| names.contains(&*mention.name))
}

#[test]
fn a_test_may_be_skipped_by_what_it_calls_and_one_that_returns_early_says_so() {
    let source = "#[test]
fn direct() { if !root() { return skipped(\"not root\"); } }
#[test]
fn by_a_helper() { let Some(disk) = Disk::mount() else { return }; }
#[test]
fn silent() { if short() { return; } }
#[test]
fn always() { assert!(root()); }
impl Disk { fn mount() -> Option<Self> { tried() } }
fn tried() -> Option<Disk> { skipped(\"no mount\"); None }
";
    let found = skips(&[("tests/gateway/disk".to_owned(), source.to_owned())]);
    let may_skip: BTreeSet<&str> = found.may_skip.iter().map(|name| &**name).collect();
    assert_eq!(may_skip, BTreeSet::from(["tests/gateway/disk::direct", "tests/gateway/disk::by_a_helper"]));
    assert_eq!(found.silent, BTreeSet::from(["tests/gateway/disk::silent".to_owned()]));
}
