//! Reads a directory document from a file, for `serve --seed`, `check --seed` and `offhook directory`.
//!
//! ```no_run
//! match offhook::config::seed::load(std::path::Path::new("directory.json"), &["main".to_owned()]) {
//!     Ok(document) => println!("{} numbers", document.directory.numbers.len()),
//!     Err(problems) => println!("{problems}"),
//! }
//! ```

use crate::config::encoding;
use crate::config::problems::{Problem, Problems};
use crate::directory::{self, DOCUMENT_MAX_BYTES, Document, Onto};
use crate::json;
use std::fs::File;
use std::io::{Error, Read as _, Result as IoResult};
use std::path::Path;

/// Reads and validates a file for a gateway without a directory. `accounts` are the names of the configured accounts.
pub fn load(file: &Path, accounts: &[String]) -> Result<Document, Problems> {
    let document = load_onto(file, Onto { before: None, accounts, force: false })?;
    match directory::too_many_opt_outs(&document) {
        Some(why) => Err(Problems::of_file(file, why)),
        None => Ok(document),
    }
}

/// Reads and validates a file for a gateway that may have a directory.
pub fn load_onto(file: &Path, onto: Onto<'_>) -> Result<Document, Problems> {
    match contents(file).map(encoding::text) {
        Ok(Ok(text)) => directory::read(&text, onto).map_err(|problems| of_file(file, problems)),
        Ok(Err(wrong)) => Err(Problems::of_file(file, wrong)),
        Err(error) => {
            let fix = "pass the path of a directory document, as in config/directory.example.json";
            Err(Problems::of_file(file, format!("cannot be read ({error}): {fix}")))
        }
    }
}

/// Validates a document that is not a file, for a gateway without a directory.
pub fn read(text: &str, accounts: &[String]) -> Result<Document, Problems> {
    let onto = Onto { before: None, accounts, force: false };
    directory::read(text, onto).map_err(|problems| of_file(Path::new(""), problems))
}

fn of_file(file: &Path, problems: Vec<json::Problem>) -> Problems {
    let list = problems.into_iter().map(|problem| Problem { place: problem.place, text: problem.detail });
    Problems::new(file, list.collect())
}

/// The limit also applies to pipes, whose length is unknown in advance.
fn contents(file: &Path) -> IoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(DOCUMENT_MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > DOCUMENT_MAX_BYTES {
        return Err(Error::other(format!("larger than {DOCUMENT_MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/directory.example.json");

    #[test]
    fn every_problem_names_its_file_line_and_column() {
        let place = tempfile::TempDir::new().unwrap();
        let file = place.path().join("directory.json");
        let problem = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            let problems = load(&file, &["main".to_owned()]).unwrap_err().to_string();
            let first = problems.lines().next().unwrap();
            first.strip_prefix(&file.display().to_string()).unwrap().to_owned()
        };
        let eof = "invalid JSON: EOF while parsing an object: correct it here or just before";
        assert_eq!(problem(b"{\"a\": 1"), format!(":1:7: {eof}"));
        let object = "it must be an object, as in {\"field\": \"value\"}";
        assert_eq!(problem(b"{\n \"queues\": 1}"), format!(":2:2: `queues` is a number: {object}"));
        assert_eq!(problem(b"[]"), format!(": the document is an array: {object}"));
        let unreadable = |why: &str| {
            format!(
                ": cannot be read ({why}): pass the path of a directory document, as in config/directory.example.json"
            )
        };
        assert_eq!(problem(b"\xff"), ": is not UTF-8 in line 1: save it as UTF-8");
        assert_eq!(problem(&vec![b' '; DOCUMENT_MAX_BYTES + 1]), unreadable("larger than 67108864 bytes"));
        std::fs::write(&file, EXAMPLE).unwrap();
        assert_eq!(load(&file, &["main".to_owned()]), read(EXAMPLE, &["main".to_owned()]));
    }

    #[test]
    fn problems_are_listed_by_line() {
        let text = "{\n\"queues\": { \"a\": {\n\"name\": \"A\", \"parent\": \"b\" } },\n\"settings\": { \"in_call_sms\": 1 }\n}";
        let problems = read(text, &[]).unwrap_err().to_string();
        let places: Vec<_> = problems.lines().map(|line| line.split('`').next().unwrap()).collect();
        assert_eq!(places[1], "4:15: ", "{problems}");
        assert!(places[0].starts_with("3:14: queues.a.parent: "), "{problems}");
    }
}
