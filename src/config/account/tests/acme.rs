//! Acme, a made-up carrier: webhooks in JSON with a password in a header, sends with an access token.

use crate::carrier::{
    Inbox, NoToken, NotVerified, Numbers, Outbound, Outbox, Token, TokenRefused, Unreadable, Webhook,
};
use crate::config::account::{Common, Own};
use crate::config::secrets::secret_file;
use crate::config::section::{Reading, Section};
use crate::model::{Address, Inbound, InboundItem, Outcome, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{Request, Response};
use std::{sync::Arc, time::Duration};

#[derive(Debug)]
struct Acme {
    url: String,
    password: Secret,
}

pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    let password = secret_file(section, "password_file", reading);
    let url = common?.api_url.as_ref().map_or("https://api.acme.example/", |url| url.as_str()).to_owned();
    Some(Own { dialect: Arc::new(Acme { url, password: password? }), to_enter: String::new(), leftovers: Vec::new() })
}

impl Inbox for Acme {
    fn answer_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        let offered = hook.headers.get("acme-password").ok_or(NotVerified::Missing)?;
        if self.password.matches(offered.as_bytes()) { Ok(()) } else { Err(NotVerified::Wrong) }
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        let fields = serde_json::from_slice(&hook.body).map_err(|_| hook.unreadable("it is not a list of four texts"));
        let [carrier_id, from, to, text]: [String; 4] = fields?;
        let (from, to) = (Address::read(&from), Address::read(&to));
        let (media, segments, keyword, part) = (Vec::new(), None, None, None);
        Ok(vec![InboundItem::Message(Inbound { carrier_id, from, to, text, media, segments, keyword, part })])
    }
}

impl Outbox for Acme {
    fn token_request(&self) -> Option<Request<Bytes>> {
        Request::post(format!("{}token", self.url)).body(Bytes::copy_from_slice(self.password.expose())).ok()
    }

    fn token(&self, answer: &Response<Bytes>, _now: Timestamp) -> Result<Token, NoToken> {
        Ok(Token { secret: Secret::new(answer.body().to_vec()), use_for: Duration::from_secs(60) })
    }

    fn request(&self, send: &Outbound, token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        let body = serde_json::json!([send.from.to_string(), send.to.to_string(), send.text]).to_string();
        let request =
            Request::post(format!("{}send", self.url)).header("acme-token", token.map_or(&[][..], Secret::expose));
        request.body(body.into()).unwrap_or_default()
    }

    fn outcome(&self, answer: &Response<Bytes>, _now: Timestamp) -> Result<Settled, TokenRefused> {
        match answer.status().as_u16() {
            200 => Ok(Outcome::Sent { carrier_id: "id".to_owned(), segments: None }.because(None)),
            401 => Err(TokenRefused { detail: "Acme answered 401".to_owned() }),
            status => Ok(Outcome::Later { retry_after: None }.because(format!("Acme answered {status}"))),
        }
    }
}

impl Numbers for Acme {}
