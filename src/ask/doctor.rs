//! `offhook doctor`: what is right and what is wrong with the gateway and each account and number, and how to mend it.
//!
//! Numbers that were verified or failed before are asked about again, as they are daily; one that nobody has verified
//! yet stays so, because verifying it is an administrator's decision.

mod health;

use super::{Door, Platform, QueryFailed};
use crate::config::{AccountConfig, advice};
use crate::http::api::Scope;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// Numbers asked about in one request: carriers have 24 s for them.
const ASKED_AT_ONCE: usize = 200;

/// How a finding is to be taken, in the order of printing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Grade {
    /// To be mended.
    Wrong,
    /// It may be meant so.
    Note,
    Right,
}

/// One line of the result.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Finding {
    grade: Grade,
    text: String,
}

/// What was found, by account. It contains our numbers: for the operator's terminal.
#[derive(Default)]
pub struct Findings {
    /// Of the whole gateway.
    general: Vec<Finding>,
    accounts: BTreeMap<String, Vec<Finding>>,
    numbers: usize,
    wrong_numbers: usize,
}

impl Findings {
    /// The number of things to be mended.
    pub fn wrong(&self) -> usize {
        let all = self.accounts.values().flatten().chain(&self.general);
        all.filter(|finding| finding.grade == Grade::Wrong).count()
    }

    fn general(&mut self, grade: Grade, text: impl Into<String>) {
        self.general.push(Finding { grade, text: text.into() });
    }

    fn of_account(&mut self, account: &str, grade: Grade, text: impl Into<String>) {
        self.accounts.entry(account.to_owned()).or_default().push(Finding { grade, text: text.into() });
    }
}

impl fmt::Display for Findings {
    /// What is wrong comes first in each part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut part = |title: &str, findings: &Vec<Finding>| {
            writeln!(f, "{title}")?;
            let mut findings: Vec<_> = findings.iter().collect();
            findings.sort_by_key(|finding| finding.grade);
            for Finding { grade, text } in findings {
                let grade = match grade {
                    Grade::Wrong => "WRONG",
                    Grade::Note => "note",
                    Grade::Right => "ok",
                };
                // Reasons and details come from people and carriers, and must not steer the terminal.
                let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
                writeln!(f, "  {grade:5}  {text}")?;
            }
            Ok(())
        };
        part("gateway", &self.general)?;
        for (account, findings) in &self.accounts {
            part(&format!("account {account}"), findings)?;
        }
        let right = self.numbers - self.wrong_numbers;
        match self.wrong() {
            0 => writeln!(f, "nothing is wrong: {right} numbers are right"),
            wrong => writeln!(f, "WRONG: {wrong}; numbers that are right: {right} of {}", self.numbers),
        }
    }
}

/// Asks the gateway about its accounts and numbers, and the carriers through it.
pub async fn examine(door: &Door<'_>) -> Result<Findings, QueryFailed> {
    let (reads, admin) = (Platform::of(door, Scope::Read)?, Platform::of(door, Scope::Admin)?);
    let mut findings = Findings::default();
    let before = all(&reads, "/v1/numbers").await?;
    let known: Vec<_> = before.iter().filter(|number| number["verification"]["state"] != "unverified").collect();
    let mut answers: BTreeMap<String, Option<String>> = BTreeMap::new();
    for numbers in known.chunks(ASKED_AT_ONCE) {
        let numbers: Vec<_> = numbers.iter().map(|number| &number["number"]).collect();
        let answered = admin.post("/v1/numbers/verify", &json!({ "numbers": numbers })).await?;
        for result in answered["results"].as_array().into_iter().flatten() {
            answers.insert(text(&result["number"]).to_owned(), result["reason"].as_str().map(str::to_owned));
        }
    }
    general(&reads.get("/v1/settings").await?, &before, &mut findings);
    health::of_gateway(&reads.get("/v1/health").await?, &mut findings);
    for endpoint in all(&reads, "/v1/endpoints").await? {
        health::of_endpoint(&endpoint, &mut findings);
    }
    for account in &door.config.accounts {
        of_account(account, &mut findings);
    }
    let accounts = all(&reads, "/v1/accounts").await?;
    for account in &accounts {
        health::of_account(account, &mut findings);
    }
    let held: HashSet<_> =
        accounts.iter().filter(|account| health::is_held(account)).map(|account| text(&account["name"])).collect();
    // What carriers did not answer is the same for most numbers of an account, and is said once.
    let mut unanswered: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for number in all(&reads, "/v1/numbers").await? {
        let reason = answers.get(text(&number["number"])).cloned().flatten();
        if let Some(why) = reason.filter(|why| *why != text(&number["verification"]["reason"])) {
            let key = (text(&number["account"]).to_owned(), why);
            unanswered.entry(key).or_default().push(text(&number["number"]).to_owned());
        }
        of_number(&number, held.contains(text(&number["account"])), &mut findings);
    }
    for ((account, why), numbers) in unanswered {
        let named = match &numbers[..] {
            [only] => only.clone(),
            [first, ..] => format!("{} numbers ({first} and others)", numbers.len()),
            [] => continue,
        };
        findings.of_account(&account, Grade::Wrong, format!("{named}: {why}"));
    }
    Ok(findings)
}

/// All items of a list.
async fn all(platform: &Platform, list: &str) -> Result<Vec<Value>, QueryFailed> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = platform.get(&format!("{list}?limit=500{cursor}")).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

fn general(settings: &Value, numbers: &[Value], findings: &mut Findings) {
    findings.general(Grade::Right, "it runs and answers");
    if numbers.is_empty() {
        let text = "it has no numbers: add one with PUT /v1/numbers/{e164} or a directory document, then verify it";
        findings.general(Grade::Wrong, text);
    }
    match settings["in_call_sms"].as_bool() {
        Some(false) => findings.general(Grade::Note, "In-call SMS is switched off: settings.in_call_sms"),
        _ => findings.general(Grade::Right, "In-call SMS is switched on"),
    }
}

fn of_account(account: &AccountConfig, findings: &mut Findings) {
    let AccountConfig { name, .. } = account;
    for line in account.to_enter.lines().map(str::trim).filter(|line| !line.is_empty()) {
        findings.of_account(name, Grade::Right, format!("to be set at the carrier: {line}"));
    }
    for placeholder in advice::placeholders_of(account) {
        findings.of_account(name, Grade::Note, placeholder);
    }
}

/// What is wrong with a number; that its account sends nothing is said of the account.
fn of_number(number: &Value, account_is_held: bool, findings: &mut Findings) {
    let account = text(&number["account"]);
    let verification = &number["verification"];
    let name = format!("{} {}", text(&number["number"]), text(&number["label"]));
    let mut wrong = Vec::new();
    match text(&verification["state"]) {
        "verified" => {}
        "unverified" => wrong.push("not verified yet: verify it with POST /v1/numbers/verify".to_owned()),
        _ => wrong.push(format!("verification failed: {}", text(&verification["reason"]))),
    }
    let path = format!("/v1/numbers/{}", text(&number["number"]));
    if let Some(suspended) = health::suspension(&number["suspended"], &path) {
        wrong.push(suspended);
    } else if let Some(until) = number["lane"]["paused_until"].as_str().filter(|_| !account_is_held) {
        wrong.push(format!("nothing is sent from it until {until}: its carrier asked for that or fails, see the log"));
    }
    findings.numbers += 1;
    findings.wrong_numbers += usize::from(!wrong.is_empty());
    if wrong.is_empty() {
        let inbound = number["queues"]["inbound"].as_str().map(|queue| format!("inbound of queue {queue}"));
        let outbound = number["queues"]["outbound"].as_array().into_iter().flatten();
        let outbound = outbound.map(|queue| format!("outbound of queue {}", text(queue)));
        let queues: Vec<_> = inbound.into_iter().chain(outbound).collect();
        let queues = if queues.is_empty() { "in no queue".to_owned() } else { queues.join(", ") };
        findings.of_account(account, Grade::Right, format!("{name}: {}; {queues}", text(&verification["status"])));
    }
    for why in wrong {
        findings.of_account(account, Grade::Wrong, format!("{name}: {why}"));
    }
    if verification["state"] == "verified" && verification["mms"] == false {
        let why = "no MMS: callers cannot send photos and videos to it; enable MMS for it at the carrier";
        findings.of_account(account, Grade::Note, format!("{name}: {why}"));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
