//! What is logged of a webhook that came for an account or a path that is not there.
//!
//! Invariant: of the path only what somebody may have meant as an address of ours is shown. The rest may be a secret or name
//! a person.

use crate::rules::near;

/// Bytes of a name.
const NAME_MAX: usize = 32;

/// A path that no account has.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown<'a> {
    /// The path, with `*` for what is not shown of it.
    pub(super) path: String,
    /// The account whose name is most like the one in the path, if one may be meant.
    pub(super) nearest: Option<&'a str>,
}

impl<'a> Unknown<'a> {
    pub(super) fn of(path: &str, accounts: impl Iterator<Item = &'a str>) -> Self {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).take(4).collect();
        let segment = |nth: usize| segments.get(nth).copied().unwrap_or_default();
        let (root, name, kind) = (segment(0), segment(1), segment(2));
        let nearest = meant(name, accounts);
        let known_kind = meant(kind, ["messages", "receipts"]).is_some();
        let shown = [
            meant(root, ["carriers"]).is_some(),
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

/// The word of ours that a part of a path may be meant for.
fn meant<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > NAME_MAX { None } else { near::nearest(text, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_an_unknown_path_is_shown_as_far_as_it_may_be_meant_for_us() {
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
