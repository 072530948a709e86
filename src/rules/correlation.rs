//! Which call a text belongs to (A1-A6).
//!
//! The asker hands in the calls of the sender that live at this place of the journal, so "before or after hang-up" is
//! decided by the journal's order and by no clock (A6).

use crate::model::{CallId, Directory, E164, QueueId, Session};

/// What correlation needs of a call that lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveCall {
    /// The platform's name of it.
    pub id: CallId,
    /// Where it is now.
    pub queue: QueueId,
    /// The number it is bound to, once a message was.
    pub our_number: Option<E164>,
    /// Whether texts flow.
    pub session: Session,
}

/// Where a text goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Belongs {
    /// To this call.
    To(CallId),
    /// To none.
    Nowhere(Why),
}

/// Why a text belongs to no call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The sender is on no call (A5 too: a second phone is another sender).
    NoCall,
    /// The sender is on a call of another queue (A3).
    OtherQueue,
    /// The number names no queue (A4).
    OutboundOnly,
    /// Two calls of the queue could be meant; we never guess (A1).
    Ambiguous,
    /// The call's texts have ended, though it goes on (A12, A46).
    SessionClosed,
    /// The feature is off for the queue.
    FeatureOff,
}

/// The call a text to `ours` belongs to, of those its sender has.
pub fn which_call(ours: E164, live: &[LiveCall], directory: &Directory) -> Belongs {
    // The pair names the call: it was bound when its first message was (A1), and keeps the number whatever becomes of
    // the queue or the switches meanwhile (A10, A36, A37).
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
    fn a1_a_pair_names_its_call_even_among_two_of_one_caller() {
        check(SHARED, &[call("a", "support", Some(SUPPORT)), call("b", "support", Some(SHARED))], &to("b"));
        check(SUPPORT, &[call("a", "support", Some(SUPPORT)), call("b", "support", Some(SHARED))], &to("a"));
    }

    #[test]
    fn a1_two_calls_that_could_both_be_meant_are_never_guessed_between() {
        check(SUPPORT, &[call("a", "support", None), call("b", "support", None)], &Belongs::Nowhere(Why::Ambiguous));
    }

    #[test]
    fn a2_r12_a_caller_who_texts_first_is_matched_by_the_queue_that_owns_the_number() {
        check(SUPPORT, &[call("a", "support", None)], &to("a"));
        check(SUPPORT, &[call("a", "support", None), call("b", "sales", None)], &to("a"));
    }

    #[test]
    fn a3_a_text_to_another_queues_number_is_not_attached() {
        check(SALES, &[call("a", "support", None)], &Belongs::Nowhere(Why::OtherQueue));
    }

    #[test]
    fn a3_unless_the_setting_says_so() {
        let mut directory = example();
        directory.settings.attach_cross_queue = true;
        let found = which_call(SALES.parse().unwrap(), &[call("a", "support", None)], &directory);
        assert_eq!(found, to("a"));
    }

    #[test]
    fn a4_an_outbound_only_number_leads_to_the_session_bound_to_it_and_to_no_other() {
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
    fn a2_a_queue_with_the_feature_off_opens_no_session_but_a10_keeps_an_open_one() {
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
