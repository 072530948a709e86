use super::*;
use offhook::machine::event::NumberedEvent;
use offhook::machine::state::{Lane, OptOut};
use offhook::model::{
    Address, Change, Direction, Encoding, Json, Limits, MessageId, MessageState, Number, OptOutBy, Position, Purpose,
    Verification,
};

const NOON: u64 = 1_763_812_800_000;
const PHONE: &str = "+12065550142";
const OURS: &str = "+12065550100";
const ANOTHER: &str = "+12065550101";

#[test]
fn i7_a_text_begun_after_a_stop_is_found_until_start_is_said() {
    let begun = |nth: u64| Violation::BegunAfterStop { message: message(nth, OURS, 1).id.to_string() };
    breaks(vec![start(1, 0, OURS, 1), stop(10)], &[]);
    breaks(vec![stop(0), start(2, 10, OURS, 1)], &[begun(2)]);
    // The block is of one of our numbers, and another may go on.
    breaks(vec![stop(0), start(2, 10, ANOTHER, 1)], &[]);
    breaks(vec![stop(0), opted_in(5), start(3, 10, OURS, 1)], &[]);
}

#[test]
fn i7_the_confirmation_of_a_stop_may_go_out() {
    let mut confirmation = message(2, OURS, 1);
    confirmation.kind = Kind::OptOutConfirmation;
    breaks(vec![stop(0), begins(10, confirmation)], &[]);
}

#[test]
fn i8_a_burst_and_then_what_the_rate_allows_is_kept_and_one_more_is_found() {
    let over = |nth: u64| Violation::OverTheLimit {
        number: OURS.parse().unwrap(),
        message: message(nth, OURS, 1).id.to_string(),
    };
    // Two a second with a burst of three.
    let limit = || limited(OURS, 2_000, 3);
    let burst = || vec![limit(), start(2, 0, OURS, 1), start(3, 0, OURS, 1), start(4, 0, OURS, 1)];
    let then = |more: Vec<CommittedFrame>| burst().into_iter().chain(more).collect::<Vec<_>>();
    breaks(then(vec![start(5, 500, OURS, 1), start(6, 1_000, OURS, 1)]), &[]);
    breaks(then(vec![start(5, 0, OURS, 1)]), &[over(5)]);
    breaks(then(vec![start(5, 498, OURS, 1)]), &[over(5)]);
    // A window of any length: each second is within the limit by itself, both together are not.
    breaks(then(vec![start(5, 1_000, OURS, 2), start(6, 1_000, OURS, 1)]), &[over(6)]);
}

#[test]
fn i8_a_text_longer_than_the_burst_goes_alone_and_is_paid_for_afterwards() {
    let over = Violation::OverTheLimit { number: OURS.parse().unwrap(), message: message(3, OURS, 1).id.to_string() };
    let long = |then: u64| vec![limited(OURS, 1_000, 1), start(2, 0, OURS, 5), start(3, then, OURS, 1)];
    breaks(long(1_000), &[]);
    breaks(long(900), &[over]);
}

#[test]
fn i8_numbers_do_not_share_a_limit_and_one_without_a_limit_has_none() {
    let many = |number: &str| (2..20).map(|nth| start(nth, 0, number, 1)).collect::<Vec<_>>();
    breaks([vec![limited(OURS, 1_000, 1)], many(ANOTHER)].concat(), &[]);
    let mut unlimited = limited(OURS, 0, 1);
    if let Event::DirectoryChanged { changes } = &mut unlimited.events[0].event
        && let Change::Number(_, Some(number)) = &mut changes[0]
    {
        number.0.limits.millisegments_per_second = None;
    }
    breaks([vec![unlimited], many(OURS)].concat(), &[]);
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the stories are made where it is called")]
fn breaks(stories: Vec<CommittedFrame>, expected: &[Violation]) {
    assert_eq!(check(&stories), expected);
}

fn story(ms: u64, event: Event) -> CommittedFrame {
    let event = NumberedEvent { call_sequence: None, event };
    CommittedFrame { position: Position(1), at: Timestamp::from_ms(NOON + ms), events: vec![event] }
}

fn limited(number: &str, millisegments_per_second: u32, burst: u32) -> CommittedFrame {
    let limits = Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::default() };
    let entry = Number {
        label: "Line".to_owned(),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits,
        verification: Verification::default(),
    };
    story(0, Event::DirectoryChanged { changes: vec![Change::Number(number.parse().unwrap(), Some(Json(entry)))] })
}

fn stop(ms: u64) -> CommittedFrame {
    let block = Block { everywhere: false, numbers: vec![OURS.parse().unwrap()] };
    let (since, by) = (Timestamp::from_ms(NOON), OptOutBy::Keyword);
    let opt_out = OptOut { block, since, by, version: Position(1), by_person: true };
    story(ms, Event::OptedOut { contact: phone().into(), ours: None, call: None, opt_out })
}

fn opted_in(ms: u64) -> CommittedFrame {
    story(ms, Event::OptedIn { contact: phone().into(), ours: None, call: None, opt_out: None })
}

fn phone() -> E164 {
    PHONE.parse().unwrap()
}

fn start(nth: u64, ms: u64, ours: &str, segments: u16) -> CommittedFrame {
    begins(ms, message(nth, ours, segments))
}

fn begins(ms: u64, message: Message) -> CommittedFrame {
    story(ms, Event::SendStarted { message: Box::new(message), lane: Lane::default() })
}

fn message(nth: u64, ours: &str, segments: u16) -> Message {
    let at = Timestamp::from_ms(NOON);
    Message {
        id: MessageId::new(at.day(), Position(nth), 0),
        call: None,
        direction: Direction::Outbound,
        kind: Kind::Custom,
        state: MessageState::Sending,
        account: "main".to_owned(),
        ours: ours.parse().unwrap(),
        theirs: Address::from(phone()).into(),
        agent: None,
        smart_action: None,
        encoding: Encoding::Gsm7,
        segments,
        estimated_wait_ms: 0,
        media: Vec::new(),
        created_at: at,
        expires_at: at,
        failure: None,
        attempts: Vec::new(),
        not_before: None,
        carrier_id: None,
        reply_blocked: false,
        keyword: None,
        previous: None,
        counted: None,
        suspended: false,
        client_ref: None,
        incomplete: false,
        reconciled: false,
    }
}
