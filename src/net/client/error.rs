//! Classifies a request's error: whether the request can have been written, and the text to log.

use hyper_util::client::legacy;
use std::error::Error;

/// Maximum length of an error's text, in characters.
const TEXT_MAX_CHARS: usize = 200;

/// Whether it is certain that no byte of the request was written.
///
/// - There was no connection to write to: lookup, connect or handshake failed. The error then carries no connection.
/// - hyper returned the request unsent (`is_canceled`): the peer had closed an idle connection before the request was
///   written. hyper reports this only while it still owns the whole request.
///
/// Any other error, such as a reset on a reused connection, may have happened after the first byte.
pub(super) fn was_never_written(error: &legacy::Error) -> bool {
    error.is_connect() || error.connect_info().is_none() || was_returned_unsent(error)
}

fn was_returned_unsent(error: &legacy::Error) -> bool {
    error.source().and_then(|cause| cause.downcast_ref()).is_some_and(hyper::Error::is_canceled)
}

/// The chain of causes. None of them quotes a URL or any content; it may include a certificate's name.
pub(in crate::net) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut description = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Many errors repeat their cause.
        if !description.contains(&text) {
            if !description.is_empty() {
                description.push_str(": ");
            }
            description.push_str(&text);
        }
        cause = error.source();
    }
    if let Some((end, _)) = description.char_indices().nth(TEXT_MAX_CHARS) {
        description.truncate(end);
    }
    description
}
