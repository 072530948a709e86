//! Looking up one of our numbers at Vonage (A39, A40), for both of its messaging APIs.
//! <https://developer.vonage.com/en/api/numbers>, <https://developer.vonage.com/en/api/application.v2>

use super::{API_URL, is_vonage};
use crate::carrier::answer::{failed, plausible_id};
use crate::carrier::public_url::below;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::E164;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

/// Where the list of numbers is, whatever the region that sends.
const NUMBERS_URL: &str = "https://rest.nexmo.com";

/// What a look-up needs of our account.
pub(in crate::carrier) struct Ours<'a> {
    /// The URL of the API that sends.
    pub(in crate::carrier) api_url: &'a Url,
    /// The Basic credentials.
    pub(in crate::carrier) authorization: &'a HeaderValue,
    /// The URLs of our webhooks.
    pub(in crate::carrier) urls: [&'a str; 2],
}

impl Ours<'_> {
    /// The URL of one of Vonage's other APIs, which have no regions, or the simulator that stands for all.
    fn base(&self, own: &str) -> Url {
        if is_vonage(self.api_url) { own.parse().expect("it is a URL") } else { self.api_url.clone() }
    }
}

/// A number of the account.
#[derive(Deserialize)]
struct Entry {
    msisdn: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(rename = "moHttpUrl")]
    sms_url: Option<String>,
    #[serde(rename = "messagesCallbackType")]
    callback_type: Option<String>,
    #[serde(rename = "messagesCallbackValue")]
    callback_value: Option<String>,
    app_id: Option<String>,
}

impl Entry {
    /// The application that the number's messages go to.
    fn messages_application(&self) -> Option<&str> {
        let by_callback = self.callback_type.as_deref() == Some("app");
        self.callback_value.as_deref().filter(|id| by_callback && !id.is_empty())
    }

    /// The application that the number is linked to, for whatever purpose.
    fn application(&self) -> Option<&str> {
        self.messages_application().or(self.app_id.as_deref()).filter(|id| !id.is_empty())
    }

    /// The URL that the number's texts go to by the SMS API.
    fn sms_url(&self) -> Option<&str> {
        self.sms_url.as_deref().filter(|url| !url.is_empty())
    }

    /// What the look-up found.
    fn found(&self, webhook: Pointing) -> LookUp {
        let can = |feature: &str| self.features.iter().any(|known| known.eq_ignore_ascii_case(feature));
        LookUp::Found(NumberFacts { sms: can("SMS"), mms: can("MMS"), webhook })
    }
}

/// Looks up a number whose texts come by the Messages API: the number names an application, and that its URL.
pub(super) fn look_up_for_messages(
    ours: &Ours<'_>,
    application: Option<&str>,
    number: E164,
    answers: &[Response<Bytes>],
) -> LookUp {
    let Some(first) = answers.first() else { return request(ours, number) };
    let entry = match entry(number, first) {
        Ok(entry) => entry,
        Err(result) => return result,
    };
    let Some(id) = entry.application() else {
        return entry
            .found(entry.sms_url().map_or(Pointing::Unknown, |url| by("the SMS API", &Pointing::of(url, ours.urls))));
    };
    if application.is_some_and(|ours| !ours.eq_ignore_ascii_case(id)) {
        return entry.found(elsewhere(id));
    }
    match answers.get(1) {
        None => get(ours, &below(&ours.base(API_URL), &["v2", "applications", id])),
        Some(answer) if answer.status() == StatusCode::OK => match serde_json::from_slice::<App>(answer.body()) {
            Ok(app) => entry.found(app.pointing(ours)),
            Err(_) => failed("Vonage's description of the application cannot be parsed", true),
        },
        // The number is ours; only where its texts go is not known.
        Some(answer) if answer.status() == StatusCode::NOT_FOUND => entry.found(Pointing::Unknown),
        Some(answer) => refused(answer.status()),
    }
}

/// Looks up a number whose texts come by the SMS API.
pub(in crate::carrier) fn look_up_for_sms(ours: &Ours<'_>, number: E164, answers: &[Response<Bytes>]) -> LookUp {
    let Some(answer) = answers.last() else { return request(ours, number) };
    let entry = match entry(number, answer) {
        Ok(entry) => entry,
        Err(result) => return result,
    };
    entry.found(match (entry.messages_application(), entry.sms_url()) {
        (Some(id), _) => elsewhere(id),
        (None, Some(url)) => Pointing::of(url, ours.urls),
        // The account's own URL, which this resource does not contain.
        (None, None) => Pointing::Unknown,
    })
}

/// The request for the number among those of the account.
fn request(ours: &Ours<'_>, number: E164) -> LookUp {
    let list = below(&ours.base(NUMBERS_URL), &["account", "numbers"]);
    // 0: the number begins with the pattern.
    get(ours, &format!("{list}?pattern={}&search_pattern=0", number.as_u64()))
}

/// The number in the response to [`request`], or the result without one.
fn entry(number: E164, answer: &Response<Bytes>) -> Result<Entry, LookUp> {
    if answer.status() != StatusCode::OK {
        return Err(refused(answer.status()));
    }
    let list = serde_json::from_slice::<Map<String, Value>>(answer.body()).ok();
    // Without numbers the list has no such field.
    let numbers = list.map(|mut list| list.remove("numbers").unwrap_or(Value::Array(Vec::new())));
    let Some(numbers) = numbers.and_then(|numbers| serde_json::from_value::<Vec<Entry>>(numbers).ok()) else {
        return Err(failed("Vonage's list of numbers cannot be parsed", true));
    };
    let wanted = number.as_u64().to_string();
    numbers.into_iter().find(|entry| entry.msisdn == wanted).ok_or(LookUp::NotOurs)
}

fn get(ours: &Ours<'_>, url: &str) -> LookUp {
    let mut request = Request::new(Bytes::new());
    let Ok(uri) = url.parse() else { return failed("api_url is not a usable URL: correct it", false) };
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::AUTHORIZATION, ours.authorization.clone());
    LookUp::Request(Box::new(request))
}

fn refused(status: StatusCode) -> LookUp {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            failed("Vonage rejects our credentials: check api_key and api_secret_file", false)
        }
        StatusCode::NOT_FOUND => failed("Vonage reports no such resource: check api_url", false),
        status => failed(&format!("Vonage answered {}", status.as_u16()), true),
    }
}

/// An application at Vonage.
#[derive(Deserialize)]
struct App {
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Deserialize, Default)]
struct Capabilities {
    messages: Option<MessagesCapability>,
}

#[derive(Deserialize)]
struct MessagesCapability {
    version: Option<String>,
    #[serde(default)]
    webhooks: Webhooks,
}

#[derive(Deserialize, Default)]
struct Webhooks {
    inbound_url: Option<InboundUrl>,
}

#[derive(Deserialize)]
struct InboundUrl {
    address: Option<String>,
}

impl App {
    /// Where the application's inbound messages go.
    fn pointing(&self, ours: &Ours<'_>) -> Pointing {
        let Some(messages) = &self.capabilities.messages else {
            return Pointing::Elsewhere("an application without the Messages capability".to_owned());
        };
        let address = messages.webhooks.inbound_url.as_ref().and_then(|url| url.address.as_deref());
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Pointing::Unknown };
        match Pointing::of(address, ours.urls) {
            // Its webhooks have another form.
            pointing if messages.version.as_deref() == Some("v0.1") => by("version v0.1", &pointing),
            pointing => pointing,
        }
    }
}

/// To an application that this account is not for.
fn elsewhere(application: &str) -> Pointing {
    let application = if plausible_id(application) { application } else { "with an invalid id" };
    Pointing::Elsewhere(format!("the application {application}"))
}

/// A URL that messages go to in a form that is not this dialect's.
fn by(form: &str, to: &Pointing) -> Pointing {
    match to {
        Pointing::Elsewhere(url) => Pointing::Elsewhere(format!("{url} by {form}")),
        Pointing::Here | Pointing::Unknown => Pointing::Elsewhere(format!("this gateway by {form}")),
    }
}
