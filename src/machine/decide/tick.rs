//! Time passed (A7, A54, A60).

use super::call::{Farewell, hang_up};
use super::draft::Draft;
use super::outbound;
use crate::machine::command::Reply;
use crate::machine::event::Fact;
use crate::machine::state::{CallRow, Message, Timer};
use crate::machine::view::{Ask, View};
use crate::model::{CallId, MessageId, MessageState, Timestamp};

/// Timers done in one go; the next tick goes on. Each writes a few hundred bytes into the frame.
const TIMERS_MAX: usize = 256;

/// What this tick has changed already; the view still shows it as it was.
#[derive(Default)]
struct Touched {
    calls: Vec<CallId>,
    messages: Vec<MessageId>,
}

/// Does what is due: calls whose lease ran out end, sends nobody answered are given up on.
///
/// One call at a time: what a decision reads must not be what it wrote itself.
pub(super) fn tick<V: View>(draft: &mut Draft<'_, V>) -> Reply {
    let mut touched = Touched::default();
    for (due, timer) in draft.view.due(draft.now(), TIMERS_MAX) {
        match timer {
            Timer::Lease(id) if !touched.calls.contains(&id) => lease(draft, &id, &mut touched),
            Timer::Unknown(id) => unknown(draft, due, id, &mut touched),
            Timer::Lease(_) => {}
        }
    }
    Reply::Done
}

fn lease<V: View>(draft: &mut Draft<'_, V>, id: &CallId, touched: &mut Touched) {
    let Some(CallRow::Call(call)) = draft.view.call(id) else { return };
    // Calls that live at the same time share no row of a pair (A1), so all of them can end in one tick.
    if call.ended.is_some() || call.lease_until > draft.now() {
        return;
    }
    touched.calls.push(id.clone());
    hang_up(draft, *call, Some("lease_expired".to_owned()), Farewell::None);
}

fn unknown<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, id: MessageId, touched: &mut Touched) {
    let now = draft.now();
    let given_up = |message: &Message| match message.state {
        MessageState::Sending => true,
        // It may have been unknown before a receipt said that the carrier has it; then this timer is not the one.
        MessageState::Sent => message.unconfirmed_at().is_some_and(|until| until <= now),
        _ => false,
    };
    if let Some(message) = draft.view.message(id).filter(given_up) {
        if touched.messages.contains(&id) || message.call.as_ref().is_some_and(|call| touched.calls.contains(call)) {
            return;
        }
        touched.messages.push(id);
        touched.calls.extend(message.call.clone());
        outbound::change(draft, message, MessageState::Unconfirmed);
    }
    draft.note(Fact::TimerDone { due, message: id });
}
