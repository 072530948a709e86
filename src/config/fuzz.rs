//! Fuzz entry points: the configuration file and the directory document.

use super::{Problems, read, seed};
use crate::directory::render;
use crate::model::Timestamp;
use std::path::Path;

/// Parses `input` as a configuration: it is valid, or every problem has a text and a place within the file.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match read(text, Path::new("/nowhere/offhook.toml"), Timestamp::from_ms(1_763_791_200_000)) {
        Ok(config) => assert!(config.summary().starts_with("data in ")),
        Err(problems) => check(&problems, text),
    }
}

/// Parses `input` as a directory document: a valid one is written back as an equal document.
pub fn seed(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let accounts = ["main".to_owned(), "other".to_owned()];
    match seed::read(text, &accounts) {
        Ok(document) => {
            let text = render::document(&document).to_string();
            assert_eq!(seed::read(&text, &accounts), Ok(document), "{text}");
        }
        Err(problems) => check(&problems, text),
    }
}

fn check(problems: &Problems, text: &str) {
    assert!(!problems.is_empty(), "an invalid file has problems");
    let lines = text.split('\n').count();
    for problem in &problems.list {
        assert!(!problem.text.trim().is_empty());
        if let Some((line, column)) = problem.place {
            assert!((1..=lines).contains(&line) && column >= 1, "{line}:{column} is outside of {lines} lines");
        }
    }
    assert!(problems.to_string().contains("problem"));
}
