//! Photos and videos: a URL at the carrier, which gives out the file, or redirects to a storage that accepts no
//! credentials; some carriers ask for credentials first.
//!
//! The storage is at the carrier's own address, because an account with an `api_url` fetches media from nowhere else.
//! Like a real one it refuses a request with the carrier's credentials, and the record shows it.

mod answers;

pub use self::answers::MediumAnswer;
use self::answers::play;
use super::super::wire::{Cut, Reply, reply};
use super::dialect::Refused;
use super::record::Fetch;
use super::{CarrierCore, now};
use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;

/// A whole baseline JPEG: 32 by 32 grey pixels in 162 bytes.
const JPEG: &[u8] = include_bytes!("grey.jpg");
/// The path of the storage.
const STORAGE: &str = "/storage/";
/// The part of a storage URL that says which of a medium's requests led there.
const TRY: &str = "signature=sim&try=";

/// A file that a phone sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMedium {
    /// The type that the carrier reports.
    pub content_type: String,
    /// Its bytes, which may be of another type.
    pub bytes: Bytes,
    /// The address that the carrier reports.
    pub listed_as: ListedAs,
    /// How the requests for it are answered, one after another; further ones get the file.
    pub answers: Vec<MediumAnswer>,
}

/// The address that a webhook has for a medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListedAs {
    /// Its own.
    #[default]
    Itself,
    /// That of another medium of the message, counted from 0.
    Another(usize),
    /// This one, whatever it leads to.
    Url(String),
}

/// A medium at the carrier.
pub(super) struct Held {
    medium: SentMedium,
    /// How often it was requested from the carrier.
    tries: usize,
}

impl SentMedium {
    /// A file that is given out at the first request.
    pub fn new(content_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self {
            content_type: content_type.to_owned(),
            bytes: bytes.into(),
            listed_as: ListedAs::Itself,
            answers: Vec::new(),
        }
    }

    /// A small photo.
    pub fn photo() -> Self {
        Self::new("image/jpeg", Bytes::from_static(JPEG))
    }

    /// The same file, and these answers before it is given out.
    pub fn answered(self, answers: impl IntoIterator<Item = MediumAnswer>) -> Self {
        Self { answers: answers.into_iter().collect(), ..self }
    }

    /// The same file, reported at this address.
    pub fn listed_as(self, listed_as: ListedAs) -> Self {
        Self { listed_as, ..self }
    }
}

/// Keeps what a phone sends in the message `sid`.
pub(super) fn keep(core: &CarrierCore, sid: &str, media: Vec<SentMedium>) {
    let mut state = core.state();
    for (nth, medium) in media.into_iter().enumerate() {
        state.media.insert(medium_id(sid, nth), Held { medium, tries: 0 });
    }
}

/// A medium's id is its message's, with the medium's index in place of the last two characters.
fn medium_id(sid: &str, nth: usize) -> String {
    let stem = sid.get(2..sid.len().saturating_sub(2)).unwrap_or_default();
    format!("ME{stem}{nth:02x}")
}

/// The type and the URL of each medium of a message.
pub(super) fn listed(core: &CarrierCore, sid: &str, count: usize) -> Vec<(String, String)> {
    let base = core.settings.media_url.as_deref().unwrap_or(&core.url);
    let state = core.state();
    let url = |nth| core.dialect.medium_url(base, sid, &medium_id(sid, nth));
    let medium = |nth| match state.media.get(&medium_id(sid, nth)).map(|held| &held.medium) {
        None => (String::new(), url(nth)),
        Some(SentMedium { content_type, listed_as: ListedAs::Itself, .. }) => (content_type.clone(), url(nth)),
        Some(SentMedium { content_type, listed_as: ListedAs::Another(other), .. }) => {
            (content_type.clone(), url(*other))
        }
        Some(SentMedium { content_type, listed_as: ListedAs::Url(url), .. }) => (content_type.clone(), url.clone()),
    };
    (0..count).map(medium).collect()
}

/// Whether a request is for a medium at the carrier.
pub(super) fn is_at_carrier(core: &CarrierCore, head: &Parts) -> bool {
    let path = head.uri.path();
    path.contains("/Media/") || core.state().media.contains_key(path.rsplit('/').next().unwrap_or_default())
}

/// The carrier's URL of a medium: 401 without credentials where it asks for them, otherwise what its answers say, and
/// then the file or a redirect to the storage.
pub(super) async fn at_carrier(core: &CarrierCore, head: &Parts) -> Result<Reply, Cut> {
    let habits = core.dialect.habits();
    if habits.media_secured && core.dialect.admits(core, head).is_err() {
        let Refused { status, code, message } = Refused::unauthorized();
        note(core, status, false);
        return Ok(core.dialect.problem(status, code, message));
    }
    let id = head.uri.path().rsplit('/').next().unwrap_or_default();
    let (nth, answer) = next_answer(core, id);
    let medium = core.state().media.get(id).map(|held| held.medium.clone());
    let (answer, medium) = match (answer, medium) {
        (Some(answer), _) if !answer.is_of_storage() => (answer, SentMedium::new("", Bytes::new())),
        (answer, Some(medium)) if !habits.media_redirect => (answer.unwrap_or(MediumAnswer::File), medium),
        _ => {
            let storage = format!("{}{STORAGE}{id}?{TRY}{nth}", core.url);
            (MediumAnswer::Redirect(storage), SentMedium::new("", Bytes::new()))
        }
    };
    note(core, answer.status(), false);
    play(answer, &medium, &format!("{}{}", core.url, head.uri)).await
}

/// Which request for the medium this is, and the answer that is meant for it.
fn next_answer(core: &CarrierCore, id: &str) -> (usize, Option<MediumAnswer>) {
    let mut state = core.state();
    let Some(held) = state.media.get_mut(id) else { return (0, None) };
    held.tries += 1;
    (held.tries - 1, held.medium.answers.get(held.tries - 1).cloned())
}

/// How often the media with these bytes were requested from the carrier.
#[cfg(feature = "test-support")]
pub(super) fn requests(core: &CarrierCore, bytes: &[u8]) -> usize {
    core.state().media.values().filter(|held| held.medium.bytes == bytes).map(|held| held.tries).sum()
}

/// Whether a request is to the storage.
pub(super) fn is_stored(head: &Parts) -> bool {
    head.uri.path().starts_with(STORAGE)
}

/// The storage behind the carrier's media URLs.
pub(super) async fn stored(core: &CarrierCore, head: &Parts) -> Result<Reply, Cut> {
    let leaked = head.headers.contains_key(AUTHORIZATION);
    let id = head.uri.path().trim_start_matches(STORAGE);
    let medium = core.state().media.get(id).map(|held| held.medium.clone());
    let Some(medium) = medium.filter(|_| !leaked) else {
        let (status, code) =
            if leaked { (StatusCode::BAD_REQUEST, "InvalidArgument") } else { (StatusCode::NOT_FOUND, "NoSuchKey") };
        note(core, status, leaked);
        return Ok(reply(status, "application/xml", format!("<Error><Code>{code}</Code></Error>")));
    };
    let nth = head.uri.query().and_then(|query| query.strip_prefix(TRY)?.parse::<usize>().ok());
    let answer = nth.and_then(|nth| medium.answers.get(nth)).filter(|answer| answer.is_of_storage()).cloned();
    let answer = answer.unwrap_or(MediumAnswer::File);
    note(core, answer.status(), false);
    play(answer, &medium, &format!("{}{}", core.url, head.uri)).await
}

fn note(core: &CarrierCore, status: StatusCode, leaked_credentials: bool) {
    core.state().recorder.fetch(Fetch { at: now(), status: status.as_u16(), leaked_credentials });
    core.news.notify_waiters();
}
