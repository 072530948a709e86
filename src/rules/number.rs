//! Selection of our number for a call (A1, A32).

use crate::model::{CallId, Directory, E164, QueueId, Timestamp, VerificationState};

/// A number the queue may send from, with its state for this caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The number.
    pub number: E164,
    /// Another live call of this caller that is bound to the pair.
    pub held_by: Option<CallId>,
    /// When this caller last exchanged texts with it.
    pub last_talked: Option<Timestamp>,
    /// When the bucket of its lane is at level 0: the earlier, the more tokens it has.
    pub empty_at: Timestamp,
}

/// Why no number is available.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoNumber {
    /// The queue has no verified number for calls.
    NoneAssigned,
    /// Each number is bound to another call of this caller (A1).
    AllHeld {
        /// One of those calls.
        by: CallId,
    },
}

/// The numbers a queue may send from: its inbound numbers (R21) and its outbound numbers (R22, R23), the default first.
pub fn of_queue(directory: &Directory, queue: &QueueId) -> Vec<E164> {
    let Some(found) = directory.queues.get(queue) else { return Vec::new() };
    let mut numbers: Vec<E164> = Vec::new();
    for number in found.default_outbound.iter().chain(&found.inbound_numbers).chain(&found.outbound_numbers) {
        let usable = directory.numbers.get(number).is_some_and(|number| {
            number.verification.state == VerificationState::Verified && number.purpose == crate::model::Purpose::InCall
        });
        if usable && !numbers.contains(number) {
            numbers.push(*number);
        }
    }
    numbers
}

/// Chooses the number to bind: the one the caller used last if it is free, else the queue's default, else the one with
/// the emptiest lane.
pub fn choose(candidates: &[Candidate], default: Option<E164>) -> Result<E164, NoNumber> {
    let free: Vec<_> = candidates.iter().filter(|candidate| candidate.held_by.is_none()).collect();
    let had_last = free.iter().filter(|candidate| candidate.last_talked.is_some()).max_by_key(|c| c.last_talked);
    let is_default = free.iter().find(|candidate| Some(candidate.number) == default);
    let emptiest = free.iter().min_by_key(|candidate| candidate.empty_at);
    if let Some(chosen) = had_last.or(is_default).or(emptiest) {
        return Ok(chosen.number);
    }
    match candidates.iter().find_map(|candidate| candidate.held_by.clone()) {
        Some(by) => Err(NoNumber::AllHeld { by }),
        None => Err(NoNumber::NoneAssigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::directory::example;

    #[test]
    fn a32_the_last_used_number_precedes_the_default_and_the_emptiest_lane() {
        assert_eq!(choose(&[a(), had_at(b(), 5), had_at(c(), 9)], Some(a().number)), Ok(c().number));
        assert_eq!(choose(&[a(), b()], Some(b().number)), Ok(b().number));
        assert_eq!(choose(&[Candidate { empty_at: Timestamp::from_ms(9), ..a() }, b()], None), Ok(b().number));
    }

    #[test]
    fn a1_a_second_session_gets_another_number_or_the_id_of_the_blocking_call() {
        let held = |candidate| Candidate { held_by: CallId::read("other"), ..candidate };
        assert_eq!(choose(&[held(a()), b()], Some(a().number)), Ok(b().number));
        let busy = choose(&[held(a()), held(b())], Some(a().number));
        assert_eq!(busy, Err(NoNumber::AllHeld { by: CallId::read("other").unwrap() }));
        assert_eq!(choose(&[], None), Err(NoNumber::NoneAssigned));
    }

    #[test]
    fn r20_r21_r22_r23_a_queue_sends_from_inbound_and_outbound_numbers() {
        let support = "support".to_owned().try_into().unwrap();
        let numbers: Vec<_> = of_queue(&example(), &support).iter().map(ToString::to_string).collect();
        assert_eq!(numbers, ["+12065550100", "+12065550102"]);
    }

    #[test]
    fn r31_an_unverified_number_is_not_used_for_sending() {
        let mut directory = example();
        let number = "+12065550102".parse().unwrap();
        directory.numbers.get_mut(&number).unwrap().verification.state = VerificationState::Failed;
        assert!(!of_queue(&directory, &"support".to_owned().try_into().unwrap()).contains(&number));
    }

    fn a() -> Candidate {
        candidate("+12065550100")
    }

    fn b() -> Candidate {
        candidate("+12065550102")
    }

    fn c() -> Candidate {
        candidate("+12065550103")
    }

    fn candidate(number: &str) -> Candidate {
        let number = number.parse().unwrap();
        Candidate { number, held_by: None, last_talked: None, empty_at: Timestamp::default() }
    }

    fn had_at(candidate: Candidate, secs: u64) -> Candidate {
        Candidate { last_talked: Some(Timestamp::from_ms(secs * 1000)), ..candidate }
    }
}
