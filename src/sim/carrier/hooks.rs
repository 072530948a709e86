//! The carrier's webhooks: texts from phones, and receipts for sends, each signed and posted to the gateway.
//!
//! Invariant: a webhook is recorded before it is posted, and every response to it is recorded; the record shows which
//! webhooks the gateway acknowledged.

use super::super::Redacted;
use super::super::dice::SeededRng;
use super::super::signature;
use super::super::wire::{Answer, NoAnswer};
use super::behaviour::{Arrival, Fate};
use super::media::{self, SentMedium};
use super::record::{Attempt, News, Notice, Webhook};
use super::sends::message_id;
use super::{Arrived, CarrierCore, now};
use crate::model::E164;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::Full;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// The gateway's deadline for a webhook, as with Twilio.
const DEADLINE: Duration = Duration::from_secs(15);
/// Keywords that Twilio handles itself if they are the whole text: `Stop` is one, `Stop.` and `opt out` are not.
const STOP_WORDS: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START_WORDS: [&str; 3] = ["START", "YES", "UNSTOP"];
/// The signing key of forgeries.
const FORGED_TOKEN: &str = "00000000000000000000000000000000";

type Field = (Cow<'static, str>, String);

/// A text to be sent from a phone.
pub(in crate::sim) struct Outgoing<'a> {
    pub(in crate::sim) from: E164,
    pub(in crate::sim) to: E164,
    pub(in crate::sim) text: &'a str,
    pub(in crate::sim) media: Vec<SentMedium>,
    /// `false`: signed with a key that is not the account's.
    pub(in crate::sim) genuine: bool,
}

/// Posts a text from a phone. If our number is not on the account, nothing is posted or recorded.
pub(in crate::sim) async fn text(core: &Arc<CarrierCore>, text: Outgoing<'_>) -> Webhook {
    let (from, to) = (text.from.to_string(), text.to.to_string());
    let about = ["text", &*from, &*to, text.text];
    let nth = core.state().nth(&about, core.settings.record_max);
    let kind = if text.media.is_empty() { "SM" } else { "MM" };
    let sid = format!("{kind}{}", SeededRng::of(core.settings.seed, &about, nth).hex());

    let news = News::Text { from: text.from, to: text.to, text: Redacted::from(text.text), media: text.media.len() };
    media::keep(core, &sid, text.media.clone());
    let webhook = fresh(sid, news, text.genuine);
    if !core.state().numbers.contains_key(&text.to) {
        return webhook;
    }
    if text.genuine && core.settings.keeps_opt_outs {
        handle_keyword(core, &text);
    }
    post_webhook(core, webhook, None).await
}

/// Posts a webhook again unchanged.
#[cfg(feature = "test-support")]
pub(super) async fn repeat(core: &Arc<CarrierCore>, webhook: &Webhook) -> Webhook {
    let post = core.state().recorder.record.posts.iter().find(|post| post.sid.as_ref() == Some(&webhook.sid)).cloned();
    let taken =
        post.map(|post| Taken { sid: webhook.sid.clone(), from: post.from, to: post.to, callback: post.callback });
    post_webhook(core, fresh(webhook.sid.clone(), webhook.news.clone(), webhook.genuine), taken.as_ref()).await
}

/// An accepted send.
pub(super) struct Taken {
    pub(super) sid: String,
    pub(super) from: E164,
    pub(super) to: E164,
    pub(super) callback: Option<String>,
}

/// Starts posting a send's receipts: after `answered`, or at once if they are to come before the response. `None` if
/// there are none.
pub(super) fn send_receipts(
    core: &Arc<CarrierCore>,
    taken: Taken,
    fate: Fate,
    answered: oneshot::Receiver<()>,
) -> Option<JoinHandle<()>> {
    taken.callback.as_ref().filter(|_| !fate.receipts_missing)?;
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

/// The webhook URL for texts from phones.
pub(super) fn text_url(core: &CarrierCore) -> String {
    format!("{}/carriers/{}/messages", core.settings.public_url, core.settings.account)
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
        let news = News::Receipt { status, code, message_id: taken.callback.as_deref().and_then(message_id) };
        post_webhook(core, fresh(taken.sid.clone(), news, true), Some(taken)).await;
    }
}

fn fresh(sid: String, news: News, genuine: bool) -> Webhook {
    Webhook { at: now(), sid, news, genuine, answers: Vec::new(), slowest_us: 0, replied: false }
}

/// Blocks or unblocks the pair if the text is one of Twilio's keywords, and confirms it to the phone in our number's
/// name.
fn handle_keyword(core: &CarrierCore, text: &Outgoing<'_>) {
    let word = text.text.trim().to_uppercase();
    let pair = (text.to, text.from);
    let mut state = core.state();
    let answer = if STOP_WORDS.contains(&&*word) && state.opted_out.insert(pair) {
        "You have successfully been unsubscribed. You will not receive any more messages from this number. \
         Reply START to resubscribe."
    } else if START_WORDS.contains(&&*word) && state.opted_out.remove(&pair) {
        "You have successfully been re-subscribed to messages from this number. Reply HELP for help. \
         Reply STOP to unsubscribe. Msg&Data Rates May Apply."
    } else {
        return;
    };
    state.recorder.notice(Notice { at: now(), from: text.to, to: text.from, text: answer.into() });
    state.arrive(text.from, Arrived { from: text.to, text: answer.into() });
    drop(state);
    core.news.notify_waiters();
}

/// A webhook, ready to be posted.
struct Prepared {
    /// The URL, as configured at the carrier.
    url: String,
    form: Bytes,
    signature: String,
    token: String,
    /// Recipient of text in the gateway's response: (phone, our number). Receipts have none.
    hearer: Option<(E164, E164)>,
}

/// Records a webhook, posts it with its copies, and returns it with all responses.
async fn post_webhook(core: &Arc<CarrierCore>, mut webhook: Webhook, taken: Option<&Taken>) -> Webhook {
    let prepared = Arc::new(prepare(core, &webhook, taken));
    let (place, copies) = {
        let mut state = core.state();
        (state.recorder.webhook(webhook.clone()), state.behaviour.webhook_copies)
    };
    let stopping = core.stopping.clone();
    let all = async {
        if copies == 0 {
            return attempts(core, &prepared, place).await;
        }
        let mut copying = JoinSet::new();
        for _ in 0..=copies {
            let (core, prepared) = (core.clone(), prepared.clone());
            copying.spawn(async move { attempts(&core, &prepared, place).await });
        }
        copying.join_all().await.concat()
    };
    for attempt in stopping.run_until_cancelled(all).await.unwrap_or_default() {
        webhook.note(&attempt);
    }
    webhook
}

/// Posts one copy, with the configured retries.
async fn attempts(core: &CarrierCore, prepared: &Prepared, place: Option<usize>) -> Vec<Attempt> {
    let habit = core.settings.resend;
    let mut attempts = Vec::new();
    loop {
        let began = now();
        let answer = attempt(core, prepared).await;
        let acknowledged = answer.as_ref().is_ok_and(|answer| answer.status.is_success());
        let made = Attempt {
            status: answer.as_ref().ok().map(|answer| answer.status.as_u16()),
            took_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            replied: acknowledged && answer.as_ref().is_ok_and(|answer| pass_on(core, prepared, answer)),
        };
        core.state().recorder.answered(place, &made);
        core.news.notify_waiters();
        attempts.push(made);

        let worth_it = habit.until_2xx || matches!(answer, Err(NoAnswer::NotConnected));
        if acknowledged || !worth_it || attempts.len() >= habit.attempts_max as usize {
            return attempts;
        }
        tokio::time::sleep(habit.spacing).await;
    }
}

async fn attempt(core: &CarrierCore, prepared: &Prepared) -> Result<Answer, NoAnswer> {
    let gateway = core.state().gateway.ok_or(NoAnswer::NotConnected)?;
    // Other URLs are not requested: there is no outside world beyond this gateway.
    let path = prepared.url.strip_prefix(&core.settings.public_url).ok_or(NoAnswer::NotConnected)?;
    let path = path.split('#').next().unwrap_or_default();
    let host = core.settings.public_url.split("://").nth(1).unwrap_or_default();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{gateway}{path}"))
        .header(HOST, host.split('/').next().unwrap_or_default())
        .header(USER_AGENT, "TwilioProxy/1.1")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .header("X-Twilio-Signature", &prepared.signature)
        .header("I-Twilio-Idempotency-Token", &prepared.token)
        .body(Full::new(prepared.form.clone()))
        .map_err(|_| NoAnswer::NotConnected)?;
    let _place = core.in_flight.acquire().await.expect("the semaphore is never closed");
    core.client.send(request, DEADLINE).await
}

/// Sends text in the response to the phone, as Twilio does with plain text and with TwiML that contains a message.
fn pass_on(core: &CarrierCore, prepared: &Prepared, answer: &Answer) -> bool {
    let Some((phone, ours)) = prepared.hearer else { return false };
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(&answer.body);
    let speaks = if kind.starts_with("text/plain") { !body.is_empty() } else { body.contains("<Message") };
    if speaks {
        core.state().arrive(phone, Arrived { from: ours, text: body.as_ref().into() });
    }
    speaks
}

fn prepare(core: &CarrierCore, webhook: &Webhook, taken: Option<&Taken>) -> Prepared {
    let (url, fields, hearer) = match &webhook.news {
        News::Text { from, to, text, media } => {
            let url = core.state().numbers.get(to).and_then(|there| there.sms_url.clone());
            let fields = text_fields(core, &webhook.sid, (*from, *to), text, *media);
            (url.unwrap_or_else(|| text_url(core)), fields, Some((*from, *to)))
        }
        News::Receipt { status, code, .. } => {
            let url = taken.and_then(|taken| taken.callback.clone()).unwrap_or_default();
            (url, taken.map(|taken| receipt_fields(core, status, *code, taken)).unwrap_or_default(), None)
        }
    };
    let key = if webhook.genuine { &core.settings.auth_token } else { FORGED_TOKEN };
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let status = if let News::Receipt { status, .. } = webhook.news { status } else { "received" };
    Prepared {
        signature: signature::twilio(key, &url, &pairs),
        form: form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish().into(),
        token: SeededRng::of(core.settings.seed, &["token", &webhook.sid, status], 0).hex(),
        url,
        hearer,
    }
}

fn text_fields(core: &CarrierCore, sid: &str, (from, to): (E164, E164), text: &str, media: usize) -> Vec<Field> {
    let fixed = [
        ("ToCountry", "US".to_owned()),
        ("ToState", "WA".to_owned()),
        ("SmsMessageSid", sid.to_owned()),
        ("NumMedia", media.to_string()),
        ("ToCity", String::new()),
        ("FromZip", "98101".to_owned()),
        ("SmsSid", sid.to_owned()),
        ("FromState", "WA".to_owned()),
        ("SmsStatus", "received".to_owned()),
        ("FromCity", "SEATTLE".to_owned()),
        ("Body", text.to_owned()),
        ("FromCountry", "US".to_owned()),
        ("To", to.to_string()),
        ("ToZip", String::new()),
        ("NumSegments", super::super::segments::count(text).to_string()),
        ("MessageSid", sid.to_owned()),
        ("AccountSid", core.settings.account_sid.clone()),
        ("From", from.to_string()),
        ("ApiVersion", "2010-04-01".to_owned()),
    ];
    let mut fields: Vec<Field> = fixed.into_iter().map(|(name, value)| (name.into(), value)).collect();
    for (nth, (content_type, address)) in media::listed(core, sid, media).into_iter().enumerate() {
        fields.push((format!("MediaContentType{nth}").into(), content_type));
        fields.push((format!("MediaUrl{nth}").into(), address));
    }
    fields
}

fn receipt_fields(core: &CarrierCore, status: &str, code: Option<u32>, taken: &Taken) -> Vec<Field> {
    let fixed = [
        ("SmsSid", taken.sid.clone()),
        ("SmsStatus", status.to_owned()),
        ("MessageStatus", status.to_owned()),
        ("To", taken.to.to_string()),
        ("MessageSid", taken.sid.clone()),
        ("AccountSid", core.settings.account_sid.clone()),
        ("From", taken.from.to_string()),
        ("ApiVersion", "2010-04-01".to_owned()),
    ];
    let error = code.map(|code| ("ErrorCode", code.to_string()));
    fixed.into_iter().chain(error).map(|(name, value)| (name.into(), value)).collect()
}
