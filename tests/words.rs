//! Words that nobody searches for, and which are not to come back: `docs/CONTRIBUTING.md` says what to write in their place.

use std::fs;
use std::path::{Path, PathBuf};

const BANNED: [&str; 6] = ["thanked", "told ahead", "comes to be", "anew", "is none", "nobody is told"];

#[test]
fn no_banned_word_is_in_sources_help_or_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places =
        ["src", "tests", "benches", "fuzz/fuzz_targets", "docs", "config", "systemd", ".ci", "README.md", "Cargo.toml"];
    let mut files = Vec::new();
    places.iter().for_each(|place| collect(&root.join(place), &mut files));
    assert!(files.len() > 300, "{} files", files.len());
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests/words.rs")) {
        // Images, samples of records and the like are no text.
        let Ok(text) = fs::read_to_string(file) else { continue };
        for (number, line) in text.lines().enumerate() {
            found.extend(banned(line).map(|word| format!("{}:{}: {word}", file.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "{} lines, see docs/CONTRIBUTING.md:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_banned_word_is_found_as_a_word_and_in_a_name() {
    for line in ["It is made anew.", "fn who_is_thanked_for()", "/// There IS NONE of it", "what comes to be"] {
        assert_eq!(banned(line).count(), 1, "{line}");
    }
    for line in ["value.is_none()", "self.is_none_or(|it| it)", "a new one", "janew"] {
        assert_eq!(banned(line).count(), 0, "{line}");
    }
}

/// The banned words of a line. In a name, underscores stand for blanks; `is_none` is code.
fn banned(line: &str) -> impl Iterator<Item = &'static str> {
    let line = line.to_lowercase().replace("is_none", "").replace('_', " ");
    let words = format!(" {} ", line.split(|c: char| !c.is_alphanumeric()).collect::<Vec<_>>().join(" "));
    BANNED.into_iter().filter(move |banned| words.contains(&format!(" {banned} ")))
}

fn collect(place: &Path, files: &mut Vec<PathBuf>) {
    // Packages of others, which the browser tests install.
    if place.ends_with("node_modules") {
        return;
    }
    if place.is_dir() {
        let entries = fs::read_dir(place).expect("a directory of the project can be read");
        entries.for_each(|entry| collect(&entry.expect("an entry can be read").path(), files));
    } else {
        files.push(place.to_owned());
    }
}
