//! What is logged about a webhook for an unknown account or path.
//!
//! Invariant: only path segments that resemble ours are logged. The others may contain a secret or identify a person.

use crate::rules::near;

/// Maximum length of a name, in bytes.
const NAME_MAX: usize = 32;

/// A path that matches no account.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown<'a> {
    /// The path, with `*` for each hidden segment.
    pub(super) path: String,
    /// The account with the most similar name, if one is similar enough.
    pub(super) nearest: Option<&'a str>,
}

impl<'a> Unknown<'a> {
    pub(super) fn of(path: &str, accounts: impl Iterator<Item = &'a str>) -> Self {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).take(4).collect();
        let segment = |nth: usize| segments.get(nth).copied().unwrap_or_default();
        let (root, name, kind) = (segment(0), segment(1), segment(2));
        let nearest = similar(name, accounts);
        let known_kind = similar(kind, ["messages", "receipts"]).is_some();
        let shown = [
            similar(root, ["carriers"]).is_some(),
            is_name(name) && (nearest.is_some() || known_kind),
            known_kind,
            false,
        ];
        let path = segments.iter().zip(shown).map(|(segment, shown)| if shown { segment } else { "*" });
        Self { path: path.fold(String::new(), |path, segment| path + "/" + segment), nearest }
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The most similar of `words`, if one is similar enough.
fn similar<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > NAME_MAX { None } else { near::nearest(text, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_only_segments_of_an_unknown_path_that_resemble_ours_are_logged() {
        for (path, expected, nearest) in [
            ("/carriers/mian/messages", "/carriers/mian/messages", Some("main")),
            ("/carriers/Main/messages/", "/carriers/Main/messages", Some("main")),
            ("/carriers/main/mesages", "/carriers/main/mesages", Some("main")),
            ("/carriers/main", "/carriers/main", Some("main")),
            ("/carrier/backup_1/receipts", "/carrier/backup_1/receipts", Some("backup")),
            ("/carriers/other/messages", "/carriers/other/messages", None),
            ("/carriers/other/s3cret", "/carriers/*/*", None),
            ("/carriers/kingfisher/+12065550142", "/carriers/*/*", None),
            ("/carriers/+12065550142/messages", "/carriers/*/messages", None),
            ("/hooks/T0/B0/s3cret/more", "/*/*/*/*", None),
            ("/favicon.ico", "/*", None),
            ("/", "", None),
        ] {
            let found = Unknown::of(path, ["main", "backup"].into_iter());
            assert_eq!(found, Unknown { path: expected.to_owned(), nearest }, "{path}");
        }
    }
}
