//! The tests of the console that `cargo test` runs, read from `tests/browser`: `test("r48 the counter is exact", ...)`.

use crate::names::Test;
use std::fs;
use std::path::Path;

/// Where they stand.
const PLACE: &str = "tests/browser/";

/// Every test of the console's pages, file by file; not those that are skipped or only planned.
pub(crate) fn all(root: &Path) -> Vec<Test> {
    let mut tests = Vec::new();
    for kind in ["scenarios", "units"] {
        let entries = fs::read_dir(root.join(PLACE).join(kind)).expect("the directory can be read");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("the entry can be read").path()).collect();
        paths.sort();
        for path in paths {
            let Some(file) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".test.mjs")) else {
                continue;
            };
            let source = fs::read_to_string(&path).expect("the source can be read");
            let test = |name| Test { place: format!("{PLACE}{kind}/{file}"), name, note: None };
            tests.extend(in_source(&source).into_iter().map(test));
        }
    }
    tests
}

/// Whether this is one of them.
pub(crate) fn is_one(test: &Test) -> bool {
    test.place.starts_with(PLACE)
}

/// The names of a file's tests, with their words joined as Rust joins them.
fn in_source(source: &str) -> Vec<String> {
    let calls = source.split("\ntest(").skip(1);
    let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    names.map(|name| name.split(' ').collect::<Vec<_>>().join("_")).collect()
}

#[test]
fn tests_of_pages_are_found_by_their_sentences() {
    let source = "import x;\ntest(\"r48 a counter\", async () => {});\n\n  test(\"inside\");\ntest.skip(\"r49 later\");\ntest(\n  \
                  \"r50 on the next line\",\n);\n// test(\"r51 none\")\n";
    assert_eq!(in_source(source), ["r48_a_counter", "r50_on_the_next_line"]);
}
