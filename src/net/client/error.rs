//! What went wrong with a request: whether it can have been written, and in which words to say so.

use hyper_util::client::legacy;
use std::error::Error;

/// How much of an error's words is shown.
const WORDS_MAX: usize = 200;

/// Whether it is certain that not a byte of the request was written.
///
/// - There was no connection to write it to: name, socket or handshake failed. The error then carries no connection.
/// - There was one, but hyper gave the request back unbegun (`is_canceled`): the peer had closed a kept connection before
///   the request's turn. hyper says so only while it still holds the request whole.
///
/// Anything else, a reset on a kept connection among it, may have come after the first byte.
pub(super) fn was_never_written(error: &legacy::Error) -> bool {
    error.is_connect() || error.connect_info().is_none() || gave_it_back(error)
}

fn gave_it_back(error: &legacy::Error) -> bool {
    error.source().and_then(|cause| cause.downcast_ref()).is_some_and(hyper::Error::is_canceled)
}

/// The chain of causes. None of them quotes a URL or what was sent or received; a certificate's name may be among them.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let said = error.to_string();
        // Many errors repeat their cause.
        if !words.contains(&said) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&said);
        }
        cause = error.source();
    }
    if let Some((end, _)) = words.char_indices().nth(WORDS_MAX) {
        words.truncate(end);
    }
    words
}
