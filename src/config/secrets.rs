//! Secrets from files, as systemd's `LoadCredential` puts them there.

use super::section::{Reading, Section};
use crate::model::Secret;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// No token or key is longer; what is longer is some other file.
const SECRET_MAX_BYTES: u64 = 4096;

/// The secret in the file that `key` names, without the newline at its end.
pub(super) fn secret_file(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<Secret> {
    let name = section.required_text(key, "the file that the secret stands in", reading)?.to_owned();
    secret_in(section, key, &name, reading)
}

/// The secrets in the files that `key` names: at least one, at most `max`.
pub(super) fn secret_files(
    section: &Section<'_>,
    key: &'static str,
    max: usize,
    reading: &mut Reading<'_>,
) -> Vec<Secret> {
    if !section.has(key) {
        section.texts(key, reading);
        reading.problem(section, key, "is missing: give the file that the secret stands in, as in [\"secrets/one\"]");
        return Vec::new();
    }
    let Some(names) = section.texts(key, reading) else { return Vec::new() };
    if names.is_empty() || names.len() > max {
        let count = names.len();
        reading.problem(section, key, format!("names {count} files: name 1, or up to {max} while a secret is changed"));
        return Vec::new();
    }
    names.into_iter().filter_map(|name| secret_in(section, key, name, reading)).collect()
}

fn secret_in(section: &Section<'_>, key: &'static str, name: &str, reading: &mut Reading<'_>) -> Option<Secret> {
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
            let way_out = "make the file, or correct its path (relative to the configuration) or its rights";
            reading.problem(section, key, format!("{name:?} cannot be read ({error}): {way_out}"));
            return None;
        }
    };
    let secret = bytes.trim_ascii_end();
    if secret.is_empty() {
        reading.problem(section, key, format!("{name:?} is empty: write the secret into it"));
        return None;
    }
    if bytes.len() as u64 > SECRET_MAX_BYTES {
        let text = format!("{name:?} is larger than {SECRET_MAX_BYTES} bytes: this is not the secret's file");
        reading.problem(section, key, text);
        return None;
    }
    if mode & 0o007 != 0 {
        reading.warning(format!("{} {name:?} may be read by everybody: chmod 600 it", section.named(key)));
    }
    Some(Secret::new(secret))
}
