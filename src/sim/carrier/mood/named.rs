//! Moods by their names, one for each thing a carrier may do to a send.

use super::super::oddity::Oddity;
use super::{Mood, RetryAfter};

/// A mood that always does one thing.
type Named = (&'static str, fn() -> Mood);

const NAMED: &[Named] = &[
    ("good", Mood::default),
    // What was not taken.
    ("500", || Mood { server_error: 1.0, ..Mood::default() }),
    ("503", || odd(Oddity::Status(503))),
    ("302", || odd(Oddity::Status(302))),
    ("404", || odd(Oddity::Status(404))),
    ("408", || odd(Oddity::Status(408))),
    ("429", || Mood { too_many: 1.0, ..Mood::default() }),
    ("429, in seconds", || too_many(RetryAfter::Secs(2))),
    ("429, by date", || too_many(RetryAfter::Date(3))),
    ("429, in the past", || too_many(RetryAfter::Text("Sun, 06 Nov 1994 08:49:37 GMT"))),
    ("429, garbage", || too_many(RetryAfter::Text("when the cows come home"))),
    ("429, negative", || too_many(RetryAfter::Text("-30"))),
    ("429, huge", || too_many(RetryAfter::Text("99999999999999999999999"))),
    ("opted out", || Mood { refuse: 1.0, refuse_code: 21_610, ..Mood::default() }),
    ("credentials refused", || refused(401, 20_003)),
    ("no such account", || refused(404, 20_404)),
    ("account not active", || refused(403, 20_005)),
    ("account suspended", || refused(400, 30_002)),
    ("filtered", || Mood { refuse: 1.0, refuse_code: 30_007, ..Mood::default() }),
    // What was taken, said in another way.
    ("200", || odd(Oddity::Ok)),
    ("100 first", || odd(Oddity::ContinueFirst)),
    ("answered twice", || odd(Oddity::Twice)),
    // What only the carrier knows.
    ("HTML", || Mood { html: 1.0, ..Mood::default() }),
    ("no id", || Mood { without_sid: 1.0, ..Mood::default() }),
    ("empty", || odd(Oddity::Empty)),
    ("an array", || odd(Oddity::Array)),
    ("10 MB", || odd(Oddity::Huge)),
    ("endless", || odd(Oddity::Endless)),
    ("a long head", || odd(Oddity::LongHead)),
    ("no HTTP", || odd(Oddity::NoHttp)),
    ("closed unread", || Mood { cut_unread: 1.0, ..Mood::default() }),
    ("closed", || Mood { cut_read: 1.0, ..Mood::default() }),
    ("reset", || odd(Oddity::Reset)),
    ("half an answer", || Mood { cut_answer: 1.0, ..Mood::default() }),
    ("half an answer, reset", || odd(Oddity::ResetAnswer)),
    ("silence", || Mood { silent: 1.0, ..Mood::default() }),
];

impl Mood {
    /// The names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// The mood of that name; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, mood)| mood())
    }
}

fn odd(oddity: Oddity) -> Mood {
    Mood { odd: 1.0, oddity: Some(oddity), ..Mood::default() }
}

fn refused(status: u16, code: u32) -> Mood {
    Mood { refuse: 1.0, refuse_status: status, refuse_code: code, ..Mood::default() }
}

fn too_many(retry_after: RetryAfter) -> Mood {
    Mood { too_many: 1.0, retry_after: Some(retry_after), ..Mood::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_name_is_one_moods() {
        let names: HashSet<_> = Mood::names().collect();
        assert_eq!(names.len(), NAMED.len());
        assert_eq!(Mood::named("good"), Some(Mood::default()));
        assert_eq!(Mood::named("better"), None);
    }
}
