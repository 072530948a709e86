//! Secrets from files, as placed by systemd's `LoadCredential`.

use super::section::{Reading, Section};
use crate::model::Secret;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// Longer than any token or key; a larger file is not a secret.
const SECRET_MAX_BYTES: u64 = 4096;

/// The secret in the file named by `key`, without the trailing newline.
pub(super) fn secret_file(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<Secret> {
    let name = section.required_text(key, "the file that contains the secret", reading)?.to_owned();
    secret_in(section, key, &name, reading)
}

/// The secrets in the files named by `key`: at least one, at most `max`.
pub(super) fn secret_files(
    section: &Section<'_>,
    key: &'static str,
    max: usize,
    reading: &mut Reading<'_>,
) -> Vec<Secret> {
    named_secret_files(section, key, max, reading).into_iter().map(|(_, secret)| secret).collect()
}

/// Like [`secret_files`], each with its file name as written in the configuration.
pub(super) fn named_secret_files(
    section: &Section<'_>,
    key: &'static str,
    max: usize,
    reading: &mut Reading<'_>,
) -> Vec<(String, Secret)> {
    if !section.has(key) {
        section.texts(key, reading);
        reading.problem(section, key, "is missing: give the file that contains the secret, as in [\"secrets/one\"]");
        return Vec::new();
    }
    let Some(names) = section.texts(key, reading) else { return Vec::new() };
    if names.is_empty() || names.len() > max {
        let count = names.len();
        reading.problem(section, key, format!("names {count} files: use 1, or up to {max} during a rotation"));
        return Vec::new();
    }
    names.into_iter().filter_map(|name| Some((name.to_owned(), secret_in(section, key, name, reading)?))).collect()
}

/// The text of the file named by `key`, of several lines; like a secret, it is never shown.
pub(super) fn credentials_file(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<String> {
    let name = section.required_text(key, "the file that contains the credentials", reading)?.to_owned();
    let (bytes, is_readable_by_all) = bytes_in(section, key, &name, reading)?;
    let Ok(text) = String::from_utf8(bytes) else {
        reading.problem(section, key, format!("{name:?} is not UTF-8: save it as UTF-8"));
        return None;
    };
    if text.starts_with('\u{feff}') {
        reading.problem(section, key, format!("{name:?} begins with a byte order mark: save it without one"));
        return None;
    }
    if is_readable_by_all {
        warn_of(section, key, &name, reading);
    }
    Some(text)
}

fn secret_in(section: &Section<'_>, key: &'static str, name: &str, reading: &mut Reading<'_>) -> Option<Secret> {
    let (bytes, is_readable_by_all) = bytes_in(section, key, name, reading)?;
    let secret = match the_secret(&bytes) {
        Ok(secret) => secret,
        Err(fault) => {
            reading.problem(section, key, format!("{name:?} {fault}"));
            return None;
        }
    };
    if is_readable_by_all {
        warn_of(section, key, name, reading);
    }
    Some(Secret::new(secret))
}

/// The content of a file, and whether others can read it too.
fn bytes_in(
    section: &Section<'_>,
    key: &'static str,
    name: &str,
    reading: &mut Reading<'_>,
) -> Option<(Vec<u8>, bool)> {
    let path = reading.path(name);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| {
        let mode = file.metadata()?.permissions().mode();
        file.take(SECRET_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(mode)
    });
    let mode = match read {
        Ok(mode) => mode,
        Err(error) => {
            let fix = "create the file, or correct its path (relative to the configuration) or its permissions";
            reading.problem(section, key, format!("{name:?} cannot be read ({error}): {fix}"));
            return None;
        }
    };
    if bytes.len() as u64 > SECRET_MAX_BYTES {
        let text = format!("{name:?} is larger than {SECRET_MAX_BYTES} bytes: a file of a secret is smaller");
        reading.problem(section, key, text);
        return None;
    }
    Some((bytes, mode & 0o007 != 0))
}

fn warn_of(section: &Section<'_>, key: &str, name: &str, reading: &mut Reading<'_>) {
    reading.warning(format!("{} {name:?} is world-readable: chmod 600 it", section.named(key)));
}

/// Returns the secret of a file: one word, minus the trailing line end. Errors never show any of the content. Only
/// line ends are stripped: anything else an editor or a shell added is reported, because guessing would hide it.
fn the_secret(bytes: &[u8]) -> Result<&[u8], &'static str> {
    const UTF_16: &str = "is in UTF-16: save it as UTF-8 without a byte order mark";
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.contains(&0) {
        return Err(UTF_16);
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err("begins with a byte order mark: save it without one");
    }
    let line_ends = bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let secret = &bytes[..bytes.len() - line_ends];
    if secret.trim_ascii().is_empty() {
        return Err("is empty: write the secret to it");
    }
    if secret.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err("has more than one line: write only the secret to it");
    }
    if is_assignment(secret) {
        return Err("contains KEY=value: write only the value to it");
    }
    let quotes = ["\"", "'", "`", "“", "”", "‘", "’"].map(str::as_bytes);
    if quotes.iter().any(|quote| secret.starts_with(quote) || secret.ends_with(quote)) {
        return Err("has quotes around the secret: remove them");
    }
    if secret.iter().any(u8::is_ascii_whitespace) {
        return Err("has whitespace around or in the secret: remove it");
    }
    if !secret.iter().all(u8::is_ascii_graphic) {
        return Err("has characters that are invalid in a secret: write only the secret to it, in ASCII");
    }
    Ok(secret)
}

/// Whether a line assigns a variable, as in environment files of shells and systemd. A trailing `=` of base64 is not
/// an assignment.
fn is_assignment(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else { return false };
    let (name, value) = (line[..equals].trim_ascii(), &line[equals + 1..]);
    let names = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.iter().all(names)
        && !value.iter().all(|byte| *byte == b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f09_secret_is_one_word_and_its_line_end() {
        for good in ["hunter2", "hunter2\n", "hunter2\r\n\n", "whsec_BwcHBw==\n", "Zm9vYmFyYmF6cXV4=", "a+b/c-d.e:f"] {
            assert_eq!(the_secret(good.as_bytes()), Ok(good.trim_end().as_bytes()), "{good:?}");
        }
    }

    #[test]
    fn f09_additions_by_editors_and_shells_are_reported() {
        for (bytes, says) in [
            (&b"\xEF\xBB\xBFhunter2\n"[..], "byte order mark"),
            (b"\xFF\xFEh\0u\0", "UTF-16"),
            (b"\xFE\xFF\0h\0u", "UTF-16"),
            (b"h\0u\0n\0", "UTF-16"),
            (b"", "is empty"),
            (b" \n\n", "is empty"),
            (b"hunter2\nhunter3\n", "more than one line"),
            (b"\nhunter2", "more than one line"),
            (b"# a comment\nhunter2", "more than one line"),
            (b" hunter2", "whitespace"),
            (b"hunter2 \n", "whitespace"),
            (b"hunter2\t\n", "whitespace"),
            (b"hun ter2", "whitespace"),
            (b"\"hunter2\"", "quotes"),
            (b"'hunter2'\n", "quotes"),
            ("“hunter2”".as_bytes(), "quotes"),
            (b"TOKEN=hunter2", "KEY=value"),
            (b"export AUTH_TOKEN='hunter2'\n", "KEY=value"),
            (b"token = hunter2", "KEY=value"),
            ("hünter2".as_bytes(), "ASCII"),
            (b"hunter2\x1b[0m", "ASCII"),
        ] {
            let fault = the_secret(bytes).unwrap_err();
            assert!(fault.contains(says) && !fault.contains("hunter"), "{bytes:?}: {fault}");
        }
    }
}
