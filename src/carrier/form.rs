//! A byte-level parser of `application/x-www-form-urlencoded`.
//!
//! Signatures cover the decoded bytes even if they are not valid UTF-8, so invalid bytes are kept: different bodies
//! stay different.

use super::read::Problem;
use http::{HeaderMap, header};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::str;

/// A decoded name and value.
pub(super) type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The pairs of a form in order. Empty pieces (`a=1&&b=2`) are skipped; a name without `=` has an empty value.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    form.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let border = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = border.map_or((piece, &b""[..]), |at| (&piece[..at], &piece[at + 1..]));
        (decode(name), decode(value))
    })
}

/// Whether the content type is that of a form, or missing.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Decodes `+` to a space and `%XX` to a byte; a `%` without two hex digits is kept.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The decoded pairs of a form. Names are searched linearly: there are about thirty.
pub(super) struct Fields<'a>(Vec<Pair<'a>>);

impl<'a> Fields<'a> {
    pub(super) fn of(form: &'a [u8]) -> Self {
        Self(pairs(form).collect())
    }

    /// The pairs in order.
    pub(super) fn pairs(&self) -> &[Pair<'a>] {
        &self.0
    }

    /// The value of `name` as it came.
    pub(super) fn bytes(&self, name: &'static str) -> Result<Option<&[u8]>, Problem> {
        self.find(name, name)
    }

    /// The value of `name`. A repeated pair counts once, as it does for the signature.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        utf_8(self.find(name, name)?, name)
    }

    /// The value of `name` followed by a number.
    pub(super) fn numbered(&self, name: &'static str, number: usize) -> Result<Option<&str>, Problem> {
        utf_8(self.find(&format!("{name}{number}"), name)?, name)
    }

    /// The value of `name`. A problem is reported under `family`, which does not come from the webhook.
    fn find(&self, name: &str, family: &'static str) -> Result<Option<&[u8]>, Problem> {
        let mut values = self.0.iter().filter(|(found, _)| **found == *name.as_bytes()).map(|(_, value)| value);
        let Some(value) = values.next() else { return Ok(None) };
        if values.any(|other| other != value) {
            return Err(Problem::Twice(family));
        }
        Ok(Some(value))
    }
}

impl<'a> From<Vec<Pair<'a>>> for Fields<'a> {
    fn from(pairs: Vec<Pair<'a>>) -> Self {
        Self(pairs)
    }
}

fn utf_8<'a>(value: Option<&'a [u8]>, family: &'static str) -> Result<Option<&'a str>, Problem> {
    value.map(str::from_utf8).transpose().map_err(|_| Problem::NotUtf8(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_not_utf_8_are_kept() {
        let read: Vec<_> = pairs(b"a=%ff&b=\xfe+%2B%zz%4&=x&c").collect();
        let plain: Vec<(&[u8], &[u8])> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(plain, [(&b"a"[..], &b"\xff"[..]), (b"b", b"\xfe +%zz%4"), (b"", b"x"), (b"c", b"")]);
    }

    proptest! {
        #[test]
        fn utf_8_forms_parse_as_in_the_url_standard(form in "([a-zA-Z&=+%é0-9 ]|%[0-7][0-9a-fA-F]){0,40}") {
            let ours: Vec<(String, String)> = pairs(form.as_bytes())
                .map(|(name, value)| (String::from_utf8_lossy(&name).into(), String::from_utf8_lossy(&value).into()))
                .collect();
            let theirs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
