//! Which call a text belongs to (A1-A6).
//!
//! The caller of the rule passes the sender's calls that are live at this position of the journal, so "before or after
//! hang-up" is decided by the order of the journal, not by a clock (A6).

use crate::model::{CallId, Directory, E164, QueueId, Session, Timestamp};

/// The properties of a live call that correlation needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveCall {
    /// The platform's id of the call.
    pub id: CallId,
    /// The queue the call is in now.
    pub queue: QueueId,
    /// The number the call is bound to, once it has a message.
    pub our_number: Option<E164>,
    /// The state of its session.
    pub session: Session,
}

/// The call a text belongs to, if any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Belongs {
    /// The text belongs to this call.
    To(CallId),
    /// The text belongs to no call.
    Nowhere(Why),
}

/// Why a text belongs to no call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The sender is on no call. A second phone of the caller counts as another sender (A5).
    NoCall,
    /// The sender is on a call in another queue (A3).
    OtherQueue,
    /// The number belongs to no queue as inbound number (A4).
    OutboundOnly,
    /// Several calls of the queue match; the gateway does not guess (A1).
    Ambiguous,
    /// The session of the call is closed, though the call continues (A12, A46).
    SessionClosed,
    /// The feature is off for the queue.
    FeatureOff,
}

/// Finds the call that a text to `ours` belongs to, among the sender's live calls.
pub fn which_call(ours: E164, live: &[LiveCall], directory: &Directory) -> Belongs {
    // The pair identifies the call: it was bound with its first message (A1) and keeps the number even if the queue or
    // the switches change later (A10, A36, A37).
    if let Some(bound) = live.iter().find(|call| call.our_number == Some(ours)) {
        return join(bound);
    }
    let Some(owner) = directory.owner_of(ours) else {
        return Belongs::Nowhere(if live.is_empty() { Why::NoCall } else { Why::OutboundOnly });
    };
    if !directory.settings.in_call_sms {
        return Belongs::Nowhere(Why::FeatureOff);
    }
    let here: Vec<_> = live.iter().filter(|call| call.queue == *owner).collect();
    match here.as_slice() {
        [call] if directory.feature_on(&call.queue) => join(call),
        [_] => Belongs::Nowhere(Why::FeatureOff),
        [] if live.is_empty() => Belongs::Nowhere(Why::NoCall),
        [] => match live {
            [call] if directory.settings.attach_cross_queue && directory.feature_on(&call.queue) => join(call),
            _ => Belongs::Nowhere(Why::OtherQueue),
        },
        _ => Belongs::Nowhere(Why::Ambiguous),
    }
}

/// Whether a text that the carrier received at `at`, and that reached us only now, belongs to an earlier call of its pair
/// than the live one, which started at `started_at`; the pair's last session closed at `closed_at`. A call that merely
/// started after the text may have been reported late, because the gateway was away.
pub fn is_of_an_earlier_call(at: Timestamp, started_at: Timestamp, closed_at: Option<Timestamp>) -> bool {
    at < started_at && closed_at.is_some_and(|closed_at| at < closed_at && closed_at <= started_at)
}

fn join(call: &LiveCall) -> Belongs {
    match call.session {
        Session::None | Session::Open => Belongs::To(call.id.clone()),
        Session::Closed => Belongs::Nowhere(Why::SessionClosed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::directory::example;

    const SUPPORT: &str = "+12065550100"; // inbound number of queue support
    const SALES: &str = "+12065550101"; // inbound number of queue sales
    const SHARED: &str = "+12065550102"; // outbound only

    #[test]
    fn a1_a_pair_identifies_its_call_among_two_of_one_caller() {
        check(SHARED, &[call("a", "support", Some(SUPPORT)), call("b", "support", Some(SHARED))], &to("b"));
        check(SUPPORT, &[call("a", "support", Some(SUPPORT)), call("b", "support", Some(SHARED))], &to("a"));
    }

    #[test]
    fn a1_an_ambiguous_text_is_attached_to_no_call() {
        check(SUPPORT, &[call("a", "support", None), call("b", "support", None)], &Belongs::Nowhere(Why::Ambiguous));
    }

    #[test]
    fn a2_r12_a_caller_who_texts_first_is_matched_by_the_owning_queue() {
        check(SUPPORT, &[call("a", "support", None)], &to("a"));
        check(SUPPORT, &[call("a", "support", None), call("b", "sales", None)], &to("a"));
    }

    #[test]
    fn a3_a_text_to_another_queues_number_is_not_attached() {
        check(SALES, &[call("a", "support", None)], &Belongs::Nowhere(Why::OtherQueue));
    }

    #[test]
    fn a3_a_text_to_another_queues_number_is_attached_if_the_setting_allows() {
        let mut directory = example();
        directory.settings.attach_cross_queue = true;
        let found = which_call(SALES.parse().unwrap(), &[call("a", "support", None)], &directory);
        assert_eq!(found, to("a"));
    }

    #[test]
    fn a4_an_outbound_only_number_matches_only_the_session_bound_to_it() {
        check(SHARED, &[call("a", "support", Some(SHARED))], &to("a"));
        check(SHARED, &[call("a", "support", None)], &Belongs::Nowhere(Why::OutboundOnly));
        check(SHARED, &[], &Belongs::Nowhere(Why::NoCall));
    }

    #[test]
    fn a5_a_second_phone_has_no_call() {
        check(SUPPORT, &[], &Belongs::Nowhere(Why::NoCall));
    }

    #[test]
    fn a12_a_closed_session_takes_no_more_texts() {
        let mut closed = call("a", "support", Some(SUPPORT));
        closed.session = Session::Closed;
        check(SUPPORT, &[closed], &Belongs::Nowhere(Why::SessionClosed));
    }

    #[test]
    fn a2_a10_a_queue_switched_off_opens_no_session_and_keeps_open_ones() {
        let mut directory = example();
        directory.queues.get_mut(&queue("support")).unwrap().in_call_sms = Some(false);
        let find = |live: &[LiveCall]| which_call(SUPPORT.parse().unwrap(), live, &directory);
        assert_eq!(find(&[call("a", "support", None)]), Belongs::Nowhere(Why::FeatureOff));
        assert_eq!(find(&[call("a", "support", Some(SUPPORT))]), to("a"));
    }

    fn call(id: &str, queue_id: &str, ours: Option<&str>) -> LiveCall {
        LiveCall {
            id: CallId::read(id).unwrap(),
            queue: queue(queue_id),
            our_number: ours.map(|number| number.parse().unwrap()),
            session: if ours.is_some() { Session::Open } else { Session::None },
        }
    }

    fn queue(id: &str) -> QueueId {
        id.to_owned().try_into().unwrap()
    }

    fn to(id: &str) -> Belongs {
        Belongs::To(CallId::read(id).unwrap())
    }

    #[track_caller]
    fn check(ours: &str, live: &[LiveCall], expected: &Belongs) {
        assert_eq!(&which_call(ours.parse().unwrap(), live, &example()), expected);
    }
}
