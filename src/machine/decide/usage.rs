//! Usage of calls and of days (R4-R6).
//!
//! Invariant: a message counts once, when it is received or its first attempt starts. How it ends counts for the same
//! day, queue, agent, number and kind, so of all that was sent the rest is neither delivered nor failed.

use super::draft::Draft;
use crate::machine::state::{Call, Message, Usage, UsageOf};
use crate::machine::view::View;
use crate::model::{Address, E164, Kind, MessageState};

/// Counts a message whose first attempt starts.
pub(super) fn sent<V: View>(draft: &mut Draft<'_, V>, call: Option<&mut Call>, message: &mut Message) {
    let (kind, segments) = (message.kind, u32::from(message.segments));
    let count = |usage: &mut Usage| {
        match kind {
            Kind::Preset => usage.preset_sent += 1,
            Kind::Custom => usage.custom_sent += 1,
            Kind::SmartAction => usage.smart_action_sent += 1,
            Kind::Closing | Kind::AutoReply | Kind::OptOutConfirmation | Kind::HelpReply => usage.system_sent += 1,
            Kind::Inbound => {}
        }
        usage.segments_sent += segments;
    };
    let queue = match &call {
        Some(call) => Some(call.queue.clone()),
        None => draft.directory().owner_of(message.ours).cloned(),
    };
    let agent = message.agent.clone().or_else(|| call.as_ref().and_then(|call| call.agent.clone()));
    if let Some(call) = call {
        count(&mut call.usage);
    }
    let of = UsageOf { day: draft.now().day(), queue, agent, ours: Some(message.ours), kind };
    message.counted = Some(Box::new(draft.count(of, count).clone()));
}

/// Counts a message received in a call.
pub(super) fn received<V: View>(draft: &mut Draft<'_, V>, call: &mut Call, ours: E164, media: usize) {
    let media = u32::try_from(media).unwrap_or(u32::MAX);
    let count = |usage: &mut Usage| {
        usage.received += 1;
        usage.media_received += media;
    };
    count(&mut call.usage);
    let (queue, agent) = (Some(call.queue.clone()), call.agent.clone());
    draft.count(UsageOf { day: draft.now().day(), queue, agent, ours: Some(ours), kind: Kind::Inbound }, count);
}

/// Counts a message that belongs to no call.
pub(super) fn late<V: View>(draft: &mut Draft<'_, V>, to: &Address) {
    // Any other number may be a person's.
    let ours = to.number().filter(|to| draft.directory().numbers.contains_key(to));
    let queue = ours.and_then(|ours| draft.directory().owner_of(ours).cloned());
    let of = UsageOf { day: draft.now().day(), queue, agent: None, ours, kind: Kind::Inbound };
    draft.count(of, |usage| usage.late += 1);
}

/// How a message that was sent ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Delivered,
    Failed,
}

impl End {
    /// `None` while it is not known.
    fn of(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Delivered => Some(Self::Delivered),
            MessageState::Undelivered | MessageState::Failed | MessageState::Cancelled | MessageState::Expired => {
                Some(Self::Failed)
            }
            MessageState::Received
            | MessageState::Queued
            | MessageState::Sending
            | MessageState::Sent
            | MessageState::Unconfirmed => None,
        }
    }

    fn counter(self, usage: &mut Usage) -> &mut u32 {
        match self {
            Self::Delivered => &mut usage.delivered,
            Self::Failed => &mut usage.failed,
        }
    }
}

/// Counts how a message ended, unless it was never sent. A receipt may still correct that: it overrides `expired`.
pub(super) fn settled<V: View>(
    draft: &mut Draft<'_, V>,
    call: Option<&mut Call>,
    message: &Message,
    before: MessageState,
) {
    let (was, is) = (End::of(before), End::of(message.state));
    let Some(of) = message.counted.as_deref().filter(|_| was != is) else { return };
    let count = |usage: &mut Usage| {
        if let Some(was) = was {
            let counter = was.counter(usage);
            *counter = counter.saturating_sub(1);
        }
        if let Some(is) = is {
            *is.counter(usage) += 1;
        }
    };
    if let Some(call) = call {
        count(&mut call.usage);
    }
    draft.recount(of, count);
}
