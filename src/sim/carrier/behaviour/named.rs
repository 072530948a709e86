//! Behaviours by name, one for each way a carrier may treat a send.

use super::super::quirk::Quirk;
use super::{Behaviour, RetryAfter};

/// A behaviour that always does one thing.
type Named = (&'static str, fn() -> Behaviour);

const NAMED: &[Named] = &[
    ("good", Behaviour::default),
    // Not accepted.
    ("500", || Behaviour { server_error: 1.0, ..Behaviour::default() }),
    ("503", || odd(Quirk::Status(503))),
    ("302", || odd(Quirk::Status(302))),
    ("404", || odd(Quirk::Status(404))),
    ("408", || odd(Quirk::Status(408))),
    ("429", || Behaviour { too_many: 1.0, ..Behaviour::default() }),
    ("429, in seconds", || too_many(RetryAfter::Secs(2))),
    ("429, by date", || too_many(RetryAfter::Date(3))),
    ("429, in the past", || too_many(RetryAfter::Text("Sun, 06 Nov 1994 08:49:37 GMT"))),
    ("429, garbage", || too_many(RetryAfter::Text("when the cows come home"))),
    ("429, negative", || too_many(RetryAfter::Text("-30"))),
    ("429, huge", || too_many(RetryAfter::Text("99999999999999999999999"))),
    ("opted out", || Behaviour { refuse: 1.0, refuse_code: 21_610, ..Behaviour::default() }),
    ("credentials refused", || refused(401, 20_003)),
    ("no such account", || refused(404, 20_404)),
    ("account not active", || refused(403, 20_005)),
    ("account suspended", || refused(400, 30_002)),
    ("filtered", || Behaviour { refuse: 1.0, refuse_code: 30_007, ..Behaviour::default() }),
    // Accepted, in an unusual form.
    ("200", || odd(Quirk::Ok)),
    ("100 first", || odd(Quirk::ContinueFirst)),
    ("answered twice", || odd(Quirk::Twice)),
    // Known only to the carrier.
    ("HTML", || Behaviour { html: 1.0, ..Behaviour::default() }),
    ("no id", || Behaviour { without_sid: 1.0, ..Behaviour::default() }),
    ("empty", || odd(Quirk::Empty)),
    ("an array", || odd(Quirk::Array)),
    ("10 MB", || odd(Quirk::Huge)),
    ("endless", || odd(Quirk::Endless)),
    ("a long head", || odd(Quirk::LongHead)),
    ("no HTTP", || odd(Quirk::NoHttp)),
    ("closed unread", || Behaviour { cut_unread: 1.0, ..Behaviour::default() }),
    ("closed", || Behaviour { cut_read: 1.0, ..Behaviour::default() }),
    ("reset", || odd(Quirk::Reset)),
    ("half an answer", || Behaviour { cut_answer: 1.0, ..Behaviour::default() }),
    ("half an answer, reset", || odd(Quirk::ResetAnswer)),
    ("silence", || Behaviour { silent: 1.0, ..Behaviour::default() }),
];

impl Behaviour {
    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// The behaviour of that name, if it exists.
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, behaviour)| behaviour())
    }
}

fn odd(quirk: Quirk) -> Behaviour {
    Behaviour { odd: 1.0, quirk: Some(quirk), ..Behaviour::default() }
}

fn refused(status: u16, code: u32) -> Behaviour {
    Behaviour { refuse: 1.0, refuse_status: status, refuse_code: code, ..Behaviour::default() }
}

fn too_many(retry_after: RetryAfter) -> Behaviour {
    Behaviour { too_many: 1.0, retry_after: Some(retry_after), ..Behaviour::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_unique() {
        let names: HashSet<_> = Behaviour::names().collect();
        assert_eq!(names.len(), NAMED.len());
        assert_eq!(Behaviour::named("good"), Some(Behaviour::default()));
        assert_eq!(Behaviour::named("better"), None);
    }
}
