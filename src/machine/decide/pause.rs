//! Pauses of lanes that carriers ask for, and of accounts that fail (A64).

use super::draft::Draft;
use crate::machine::event::Event;
use crate::machine::state::{Message, Pause};
use crate::machine::view::{SendingQueries, View};
use crate::model::{Outcome, Settled, Timestamp};
use crate::rules::breaker::{self, Cause, Reason};
use crate::rules::retry;

/// Updates pauses after an attempt that began at `began` and may be retried at `next`: a lane is paused when the
/// carrier asks to retry later, an account when it fails repeatedly or is rejected. The first other answer ends either
/// (A64).
pub(super) fn update<V: View>(
    draft: &mut Draft<'_, V>,
    message: &Message,
    settled: &Settled,
    began: Timestamp,
    next: Option<Timestamp>,
) {
    let ours = message.ours;
    let pause = draft.view.pause(ours);
    // Requests in flight when the carrier asked for the pause do not show whether it is over.
    let knows = pause.is_none_or(|pause| pause.until <= began);
    if let Outcome::Later { retry_after } = settled.outcome {
        let laters = pause.map_or(0, |pause| pause.laters) + u32::from(knows);
        let until = draft.now() + retry::rest(laters).max(retry_after.unwrap_or_default());
        let until = until.max(next.unwrap_or_default()).max(pause.map(|pause| pause.until).unwrap_or_default());
        draft.record(Event::LanePaused { ours, pause: Some(Pause { until, laters }) });
    } else if matches!(settled.outcome, Outcome::Sent { .. } | Outcome::Refused { .. }) && pause.is_some() && knows {
        draft.record(Event::LanePaused { ours, pause: None });
    }
    let reason = match settled.outcome {
        Outcome::NeverWritten | Outcome::Unknown => Some(Reason::CarrierFailing),
        // Without a status there was no access token: the carrier did not answer for the text.
        Outcome::Later { .. } if settled.status.is_none_or(|status| status >= 500) => Some(Reason::CarrierFailing),
        Outcome::Later { .. } => None,
        Outcome::AccountRefused => Some(Reason::CredentialsRefused),
        // The carrier was not asked: the gateway stopped, or has no such account.
        Outcome::Interrupted => return,
        Outcome::Sent { .. } | Outcome::Refused { .. } => None,
    };
    let account = message.account.clone();
    let event = match reason {
        Some(reason) => Some(failure_event(draft, account, reason, settled, began)),
        None => recovery_event(draft, account, began),
    };
    event.into_iter().for_each(|event| draft.record(event));
}

/// Returns the event for a request that began at `began` and failed for a reason other than its text.
fn failure_event<V: View>(
    draft: &Draft<'_, V>,
    account: String,
    reason: Reason,
    settled: &Settled,
    began: Timestamp,
) -> Event {
    let (before, cause_before) = (draft.view.breaker(&account), draft.view.cause(&account));
    let paused_before = before.as_ref().and_then(|before| before.paused);
    let breaker = match reason {
        Reason::CarrierFailing => breaker::failed(before, began, draft.now()),
        Reason::CredentialsRefused => breaker::refused(before, began, draft.now()),
    };
    let refused_before =
        cause_before.filter(|cause| cause.reason == Reason::CredentialsRefused && paused_before.is_some());
    let new = Cause { reason, detail: settled.detail.clone().unwrap_or_else(|| reason.detail().to_owned()) };
    let (cause, differs) = match refused_before {
        // A cause that needs the operator stays until the carrier accepts something.
        Some(before) if reason == Reason::CarrierFailing => (before, false),
        // Only a probe sent after the rejection can replace it as the cause.
        Some(before) if paused_before.is_some_and(|paused| began < paused.until) => (before, false),
        Some(before) => {
            let differs = before != new;
            (new, differs)
        }
        None => (new, reason == Reason::CredentialsRefused),
    };
    if breaker.paused.is_some() && (paused_before.is_none() || differs) {
        Event::AccountPaused { account, breaker, cause: Some(cause) }
    } else {
        Event::AccountFailed { account, breaker: Some(breaker), cause: Some(cause) }
    }
}

/// Returns the event for a request that began at `began` and got a regular answer.
fn recovery_event<V: View>(draft: &Draft<'_, V>, account: String, began: Timestamp) -> Option<Event> {
    let before = draft.view.breaker(&account)?;
    let Some(paused) = before.paused else { return Some(Event::AccountFailed { account, breaker: None, cause: None }) };
    // A text accepted before the carrier rejected the account does not show that it accepts more.
    let cause = draft.view.cause(&account);
    let refused = cause.as_ref().is_some_and(|cause| cause.reason == Reason::CredentialsRefused);
    (!refused || paused.since < began).then_some(Event::AccountResumed { account, cause })
}

/// Makes paused accounts try again at once, since the operator may have fixed the cause.
pub(super) fn try_accounts<V: View>(draft: &mut Draft<'_, V>) {
    for (account, breaker, cause) in draft.view.failing_accounts() {
        let Some(breaker) = breaker::tried_at_once(&breaker, draft.now()) else { continue };
        draft.record(Event::AccountFailed { account, breaker: Some(breaker), cause: Some(cause.unwrap_or_default()) });
    }
}
