//! Look-ups of the account's numbers.

use super::CarrierCore;
use super::behaviour::RetryAfter;
use super::sends::too_many;
use crate::model::E164;
use crate::sim::wire::{Cut, Reply, cut_in_the_middle, reply};
use http::StatusCode;

/// How look-ups are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LookUpAnswer {
    /// With the account's numbers.
    #[default]
    Numbers,
    /// Not at all: the connection stays open.
    Silence,
    /// The connection is closed without a response.
    Cut,
    /// Half of the response, then the connection is closed.
    Half,
    /// 200 with a web page.
    Html,
    /// 429, with this many seconds to wait.
    TooMany(u32),
    /// A problem with this status and the carrier's code.
    Problem(u16, u32),
}

/// Answers a look-up, whose right answer is `due`, and records the number.
pub(super) async fn answer(core: &CarrierCore, number: Option<E164>, due: Reply) -> Result<Reply, Cut> {
    let answer = {
        let mut state = core.state();
        if let Some(number) = number {
            state.recorder.look_up(number);
        }
        state.look_ups
    };
    core.news.notify_waiters();
    match answer {
        LookUpAnswer::Numbers => Ok(due),
        LookUpAnswer::Silence => std::future::pending().await,
        LookUpAnswer::Cut => Err(Cut),
        LookUpAnswer::Half => Ok(cut_in_the_middle(due)),
        LookUpAnswer::Html => Ok(reply(StatusCode::OK, "text/html", "<!DOCTYPE html><title>Please wait</title>")),
        LookUpAnswer::TooMany(secs) => Ok(too_many(core, Some(RetryAfter::Secs(secs)))),
        LookUpAnswer::Problem(status, code) => {
            let status = StatusCode::from_u16(status).expect("a test names valid statuses");
            Ok(core.dialect.problem(status, code, "The request failed"))
        }
    }
}
