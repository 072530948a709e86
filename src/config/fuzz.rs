//! What the fuzzer calls: the configuration file and the directory document.

use super::seed::{self, document_of};
use super::{Problems, read};
use crate::model::Timestamp;
use std::path::Path;

/// Reads `input` as a configuration: it is whole, or each problem has its place in the file and says something.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match read(text, Path::new("/nowhere/offhook.toml"), Timestamp::from_ms(1_763_791_200_000)) {
        Ok(config) => assert!(config.summary().starts_with("data in ")),
        Err(problems) => check(&problems, text),
    }
}

/// Reads `input` as a directory document: what is one is written as one that says the same.
pub fn seed(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let accounts = ["main".to_owned(), "other".to_owned()];
    match seed::read(text, &accounts) {
        Ok(seed) => {
            let document = document_of(&seed).to_string();
            assert_eq!(seed::read(&document, &accounts), Ok(seed), "{document}");
        }
        Err(problems) => check(&problems, text),
    }
}

fn check(problems: &Problems, text: &str) {
    assert!(!problems.is_empty(), "a refusal says why");
    let lines = text.split('\n').count();
    for problem in &problems.list {
        assert!(!problem.text.trim().is_empty());
        if let Some((line, column)) = problem.place {
            assert!((1..=lines).contains(&line) && column >= 1, "{line}:{column} is outside of {lines} lines");
        }
    }
    assert!(problems.to_string().contains("problem"));
}
