//! The documents: their links lead somewhere, the code they name exists, and the README stays one page.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const README_LINES_MAX: usize = 150;

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let mut problems = Vec::new();
    for document in documents() {
        for target in links(&without_code(&read(&document))) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let directory = document.parent().expect("a document is in a directory");
            let linked = if file.is_empty() { document.clone() } else { directory.join(file) };
            if !linked.is_file() || (!heading.is_empty() && !anchors(&read(&linked)).contains(heading)) {
                problems.push(format!("{}: {target} leads nowhere", document.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_path_and_function_that_a_document_names_exists() {
    let mut problems = Vec::new();
    for document in documents() {
        let text = read(&document);
        let spans: Vec<&str> = text.split('`').collect();
        // Backticks come in pairs, so every second piece is code.
        for (index, path) in spans.iter().enumerate().skip(1).step_by(2) {
            if !is_path(path) {
                continue;
            }
            let file = root().join(path);
            if !file.exists() {
                problems.push(format!("{}: there is no {path}", document.display()));
                continue;
            }
            // "`Type::function` (`src/file.rs`)" says that the file defines it.
            if spans[index - 1].trim() == "(" && index > 2 {
                let name = spans[index - 2].rsplit([':', ' ']).next().unwrap_or_default();
                let source = read(&file);
                let defines = |kind: &&str| source.contains(&format!("{kind} {name}"));
                if !["fn", "struct", "trait", "enum"].iter().any(defines) {
                    problems.push(format!("{}: {path} does not define {name}", document.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_readme_is_one_page() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines: move something into docs/");
}

#[test]
fn a_link_is_found_outside_of_code_and_a_heading_is_an_anchor() {
    assert_eq!(links("see [a](b.md#c) and [d](e)"), ["b.md#c", "e"]);
    assert_eq!(without_code("a `[x](y)` b\n```\n[x](y)\n```\nc"), "a  b\n\nc");
    assert!(anchors("## How to add …\n").contains("how-to-add-"));
    assert!(anchors("### `+1` is US, always\n").contains("1-is-us-always"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/ can be read");
    let mut documents: Vec<_> = docs.map(|entry| entry.expect("an entry can be read").path()).collect();
    documents.push(root().join("README.md"));
    documents.sort();
    documents
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a code span names a file or directory of the project.
fn is_path(span: &str) -> bool {
    const PLACES: [&str; 6] = ["src/", "tests/", "config/", "systemd/", "benches/", "docs/"];
    PLACES.iter().any(|place| span.starts_with(place)) && !span.contains(['*', ' ', '{', ',', ':'])
}

/// The text without fenced blocks and code spans.
fn without_code(text: &str) -> String {
    let outside: String = text.split("```").step_by(2).collect();
    outside.split('`').step_by(2).collect()
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that a web page makes of the headings.
fn anchors(text: &str) -> HashSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}
