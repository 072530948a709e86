//! The carrier's webhooks: texts from phones, and receipts for sends, each signed and posted to the gateway.
//!
//! Invariant: a webhook is recorded before it is posted, and every response to it is recorded; the record shows which
//! webhooks the gateway acknowledged.

use super::super::Redacted;
use super::super::dice::SeededRng;
use super::super::wire::{Answer, NoAnswer};
use super::batch::post_together;
use super::behaviour::{Arrival, Fate};
use super::dialect::{About, Content, Element, Keywords, Receipt, Taken, Text};
use super::media::{self, SentMedium};
use super::record::{Attempt, News, Notice, Webhook};
use super::{Again, Arrived, CarrierCore, now};
use crate::model::E164;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::Full;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// A text to be sent from a phone.
pub(in crate::sim) struct Outgoing<'a> {
    pub(in crate::sim) from: E164,
    pub(in crate::sim) to: E164,
    pub(in crate::sim) text: &'a str,
    pub(in crate::sim) media: Vec<SentMedium>,
    /// `false`: signed with a key that is not the account's.
    pub(in crate::sim) genuine: bool,
}

/// Posts a text from a phone. If our number is not on the account, or gets no photos and this is one, nothing is
/// posted or recorded.
pub(in crate::sim) async fn text(core: &Arc<CarrierCore>, text: Outgoing<'_>) -> Webhook {
    let (from, to) = (text.from.to_string(), text.to.to_string());
    let about = ["text", &*from, &*to, text.text];
    let nth = core.state().nth(&about, core.settings.record_max);
    let sid = core.dialect.id(&mut SeededRng::of(core.settings.seed, &about, nth), !text.media.is_empty());

    let news = News::Text { from: text.from, to: text.to, text: Redacted::from(text.text), media: text.media.len() };
    media::keep(core, &sid, text.media.clone());
    let webhook = fresh(sid, news, text.genuine);
    let carried = text.media.is_empty() || core.dialect.habits().mms;
    if !carried || !core.state().numbers.contains_key(&text.to) {
        return webhook;
    }
    let keyword = if text.genuine { handle_keyword(core, &text) } else { None };
    let elements = text_elements(core, &webhook, keyword);
    post_webhook(core, webhook, elements).await
}

/// Posts a webhook again unchanged.
#[cfg(feature = "test-support")]
pub(super) async fn repeat(core: &Arc<CarrierCore>, webhook: &Webhook) -> Webhook {
    let again = fresh(webhook.sid.clone(), webhook.news.clone(), webhook.genuine);
    let post = core.state().recorder.record.posts.iter().find(|post| post.sid.as_ref() == Some(&webhook.sid)).cloned();
    let elements = match (&webhook.news, post) {
        (News::Receipt { status, code, .. }, Some(post)) => {
            let taken = Taken {
                sid: webhook.sid.clone(),
                from: post.from,
                to: post.to,
                text: post.text,
                callback: post.callback,
                reference: post.reference,
            };
            core.dialect.receipts(core, &Receipt { taken: &taken, status, code: *code })
        }
        _ => text_elements(core, webhook, None),
    };
    post_webhook(core, again, elements).await
}

/// What a text is in a webhook; nothing for a receipt.
fn text_elements(core: &CarrierCore, webhook: &Webhook, keyword: Option<&'static str>) -> Vec<Element> {
    let News::Text { from, to, text, media } = &webhook.news else { return Vec::new() };
    let media = media::listed(core, &webhook.sid, *media);
    core.dialect.text(core, &Text { id: &webhook.sid, from: *from, to: *to, text, media, keyword })
}

/// Starts posting a send's receipts: after `answered`, or at once if they are to come before the response. `None` if
/// there are none.
pub(super) fn send_receipts(
    core: &Arc<CarrierCore>,
    taken: Taken,
    fate: Fate,
    answered: oneshot::Receiver<()>,
) -> Option<JoinHandle<()>> {
    let sent = Receipt { taken: &taken, status: "delivered", code: None };
    core.dialect.receipt(core, &sent).filter(|_| !fate.receipts_missing)?;
    core.state().receipts_waiting += 1;
    let core = core.clone();
    let task = core.tasks.clone().spawn(async move {
        let stopping = core.stopping.clone();
        stopping.run_until_cancelled(post_receipts(&core, &taken, fate, answered)).await;
        core.state().receipts_waiting -= 1;
        core.news.notify_waiters();
    });
    Some(task)
}

async fn post_receipts(core: &Arc<CarrierCore>, taken: &Taken, fate: Fate, answered: oneshot::Receiver<()>) {
    if !fate.receipts_before_answer {
        // An error is a dropped request: the gateway disconnected, and the message is delivered anyway.
        let _ = answered.await;
    }
    let mut statuses = match fate.arrival {
        Arrival::Delivered => vec![("sent", None), ("delivered", None)],
        Arrival::Undelivered { code } => vec![("sent", None), ("undelivered", Some(code))],
        Arrival::Failed { code } => vec![("failed", Some(code))],
    };
    if fate.receipts_reordered {
        statuses.reverse();
    }
    for (status, code) in statuses {
        tokio::time::sleep(fate.receipt_delay).await;
        let elements = core.dialect.receipts(core, &Receipt { taken, status, code });
        if elements.is_empty() {
            continue;
        }
        let news = News::Receipt { status, code, message_id: taken.message_id() };
        post_webhook(core, fresh(taken.sid.clone(), news, true), elements).await;
    }
}

fn fresh(sid: String, news: News, genuine: bool) -> Webhook {
    Webhook { at: now(), sid, news, genuine, answers: Vec::new(), slowest_us: 0, replied: false }
}

/// Blocks or unblocks the pair if the text is one of the carrier's keywords, and confirms it to the phone in our
/// number's name. Returns the keyword.
fn handle_keyword(core: &CarrierCore, text: &Outgoing<'_>) -> Option<&'static str> {
    let here = |keywords: &Keywords| core.settings.keeps_opt_outs && text.to.to_string().starts_with(keywords.numbers);
    let keywords = core.dialect.habits().keywords.filter(here)?;
    let word = text.text.trim().to_uppercase();
    let pair = (text.to, text.from);
    let mut state = core.state();
    let (keyword, answer) = if keywords.stop.contains(&&*word) {
        ("STOP", state.opted_out.insert(pair).then_some(keywords.stopped))
    } else if keywords.start.contains(&&*word) {
        ("START", state.opted_out.remove(&pair).then_some(keywords.started))
    } else {
        return None;
    };
    if let Some(answer) = answer {
        state.recorder.notice(Notice { at: now(), from: text.to, to: text.from, text: answer.into() });
        state.arrive(text.from, Arrived { from: text.to, text: answer.into() });
        drop(state);
        core.news.notify_waiters();
    }
    Some(keyword)
}

/// Records a webhook, posts it with its copies, and returns it with all responses.
async fn post_webhook(core: &Arc<CarrierCore>, mut webhook: Webhook, elements: Vec<Element>) -> Webhook {
    let (place, copies) = {
        let mut state = core.state();
        (state.recorder.webhook(webhook.clone()), state.behaviour.webhook_copies)
    };
    let posting = Arc::new((webhook.clone(), elements));
    let stopping = core.stopping.clone();
    let all = async {
        if copies == 0 {
            return every_part(core, &posting, place).await;
        }
        let mut copying = JoinSet::new();
        for _ in 0..=copies {
            let (core, posting) = (core.clone(), posting.clone());
            copying.spawn(async move { every_part(&core, &posting, place).await });
        }
        copying.join_all().await.concat()
    };
    for attempt in stopping.run_until_cancelled(all).await.unwrap_or_default() {
        webhook.note(&attempt);
    }
    webhook
}

/// Posts one copy, part by part. The message counts as acknowledged once its last part is, so of the others only
/// those are noted that were not.
async fn every_part(core: &CarrierCore, posting: &(Webhook, Vec<Element>), place: Option<usize>) -> Vec<Attempt> {
    let (webhook, elements) = posting;
    let mut all = Vec::new();
    for (nth, element) in elements.iter().enumerate() {
        let last = nth + 1 == elements.len();
        let (attempts, acknowledged) = attempts(core, webhook, element).await;
        for attempt in attempts.into_iter().filter(|attempt| last || !attempt.acknowledged()) {
            core.state().recorder.answered(place, &attempt);
            all.push(attempt);
        }
        core.news.notify_waiters();
        if !acknowledged {
            break;
        }
    }
    all
}

/// Posts one element, with the configured retries, and returns whether it was acknowledged.
async fn attempts(core: &CarrierCore, webhook: &Webhook, element: &Element) -> (Vec<Attempt>, bool) {
    let habit = core.settings.resend;
    let mut attempts = Vec::new();
    loop {
        let began = now();
        let answer = attempt(core, webhook, element).await;
        let acknowledged = answer.as_ref().is_ok_and(|answer| answer.status.is_success());
        attempts.push(Attempt {
            status: answer.as_ref().ok().map(|answer| answer.status.as_u16()),
            took_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            replied: acknowledged && answer.as_ref().is_ok_and(|answer| pass_on(core, webhook, answer)),
        });
        if acknowledged || !worth_it(habit.again, &answer) || attempts.len() >= habit.attempts_max as usize {
            return (attempts, acknowledged);
        }
        tokio::time::sleep(habit.spacing).await;
    }
}

/// Whether this carrier posts again after that.
fn worth_it(again: Again, answer: &Result<Answer, NoAnswer>) -> bool {
    match (again, answer) {
        (Again::Not2xx, _) | (_, Err(NoAnswer::NotConnected)) => true,
        (Again::NotConnected, _) => false,
        (Again::Busy, Err(_)) => true,
        (Again::Busy, Ok(answer)) => answer.status.is_server_error() || answer.status.as_u16() == 429,
    }
}

async fn attempt(core: &CarrierCore, webhook: &Webhook, element: &Element) -> Result<Answer, NoAnswer> {
    let status = if let News::Receipt { status, .. } = webhook.news { status } else { "received" };
    let about = About { id: &webhook.sid, status, genuine: webhook.genuine };
    match core.dialect.habits().batch_max {
        max if max > 1 && webhook.genuine => post_together(core, element, about, max).await,
        _ => post(core, &element.url, &[&element.content], about).await,
    }
}

/// Posts a webhook with these elements.
pub(super) async fn post(
    core: &CarrierCore,
    url: &str,
    elements: &[&Content],
    about: About<'_>,
) -> Result<Answer, NoAnswer> {
    let gateway = core.state().gateway.ok_or(NoAnswer::NotConnected)?;
    // Other URLs are not requested: there is no outside world beyond this gateway.
    let path = url.strip_prefix(&core.settings.public_url).ok_or(NoAnswer::NotConnected)?;
    let path = path.split('#').next().unwrap_or_default();
    let host = core.settings.public_url.split("://").nth(1).unwrap_or_default();
    let posted = core.dialect.post(core, url, elements, about);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{gateway}{path}"))
        .header(HOST, host.split('/').next().unwrap_or_default())
        .header(CONTENT_TYPE, posted.content_type);
    let request = posted.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let request = request.body(Full::new(posted.body)).map_err(|_| NoAnswer::NotConnected)?;
    let _place = core.in_flight.acquire().await.expect("the semaphore is never closed");
    core.client.send(request, core.dialect.habits().waits).await
}

/// Sends text in the response to the phone, if this carrier does.
fn pass_on(core: &CarrierCore, webhook: &Webhook, answer: &Answer) -> bool {
    let News::Text { from: phone, to: ours, .. } = webhook.news else { return false };
    let said = core.dialect.said(answer);
    if let Some(text) = &said {
        core.state().arrive(phone, Arrived { from: ours, text: text.as_str().into() });
    }
    said.is_some()
}
