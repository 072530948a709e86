//! A gateway's door for the carrier's tests.

use crate::sim::carrier::dialect::signature;
use crate::sim::carrier::{AUTH_TOKEN, Carrier, CarrierSettings};
use crate::sim::wire::{self, Cut, Port, Reply, Serve, Server};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Records requests, and responds as configured.
#[derive(Default)]
pub(super) struct Noted {
    took: Mutex<Vec<Hook>>,
    statuses: Mutex<VecDeque<u16>>,
    says: Mutex<Option<(&'static str, &'static str)>>,
}

pub(super) struct Door {
    noted: Arc<Noted>,
    pub(super) server: wire::Server<Noted>,
}

#[derive(Clone)]
pub(super) struct Hook {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) fields: Vec<(String, String)>,
}

impl Door {
    pub(super) fn took(&self) -> Vec<Hook> {
        self.noted.took.lock().unwrap().clone()
    }

    pub(super) fn answers_with(&self, statuses: &[u16]) {
        self.noted.statuses.lock().unwrap().extend(statuses);
    }

    pub(super) fn says(&self, content_type: &'static str, body: &'static str) {
        *self.noted.says.lock().unwrap() = Some((content_type, body));
    }
}

impl Hook {
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn signed_for(&self, url: &str) -> bool {
        let pairs: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.headers["X-Twilio-Signature"] == signature(AUTH_TOKEN, url, &pairs)
    }
}

impl Serve for Noted {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Cut> {
        let (head, body) = request.into_parts();
        let body = wire::read_body(body).await?;
        let fields = form_urlencoded::parse(&body).into_owned().collect();
        self.took.lock().unwrap().push(Hook { path: head.uri.to_string(), headers: head.headers, fields });
        let status = self.statuses.lock().unwrap().pop_front().unwrap_or(200);
        let (content_type, body) = self.says.lock().unwrap().unwrap_or(("text/xml", "<Response/>"));
        Ok(wire::reply(StatusCode::from_u16(status).unwrap(), content_type, body))
    }
}

pub(super) async fn with_door(settings: CarrierSettings) -> (Carrier, Door) {
    let noted = Arc::new(Noted::default());
    let server = Server::start(Port::take().unwrap(), noted.clone()).unwrap();
    let carrier = Carrier::start(settings).await.unwrap();
    carrier.gateway_is_at(server.address());
    (carrier, Door { noted, server })
}
