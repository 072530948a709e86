//! Media: what became of those that were to be fetched (A51).

use super::draft::{Draft, Live};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::state::MediumState;
use crate::machine::view::{Queries, View};
use crate::model::{MediaId, MessageId};

/// Records what became of a medium, as its call's next event, also once the call has ended. A medium that is settled
/// already stays as it is, and so does one of an erased person: the reply says whether it was recorded.
pub(super) fn settle<V: View>(
    draft: &mut Draft<'_, V>,
    message: MessageId,
    medium: MediaId,
    state: MediumState,
) -> Reply {
    let Some(mut message) = draft.view.message(message).filter(|message| message.theirs.kept().is_some()) else {
        return Reply::MediumSettled(false);
    };
    let pending = message.media.iter_mut().find(|one| one.id == medium && one.state == MediumState::Pending);
    let Some(pending) = pending else { return Reply::MediumSettled(false) };
    pending.state = state;
    let mut call = draft.call_of(&message);
    draft.record_in(call.as_mut(), Event::MediumSettled { message: Box::new(message), medium });
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
    Reply::MediumSettled(true)
}
