//! The fuzz entry point of Sinch, with both of its APIs.

use super::{NOW, PUBLIC_URL, Written, dialect, number};
use crate::carrier::sinch::{self, Api, Project, Sinch};
use crate::carrier::{Inbox, LookUp, Numbers};
use crate::model::Secret;
use http::Method;
use std::sync::LazyLock;

const SECRET: &str = "pg_7hQ2zR9vXc4LmT1w";

static SINCH: LazyLock<[Sinch; 2]> = LazyLock::new(|| {
    let id = "c36f3d3d-1513-4edd-ae42-11995557ff61".to_owned();
    let project = Project { id, key_id: "key-1".to_owned(), key_secret: Secret::new("kestrel-3b1f") };
    let service_plan_id = "61f1c2a4b5d64e7f8a9b0c1d2e3f4a5b".to_owned();
    let rest = Api::Rest { service_plan_id, api_token: Secret::new("osprey-7"), project: Some(project.clone()) };
    let conversation = Api::Conversation { project, app_id: "01EB37HMH1M6SV18BSNS3G135H".to_owned() };
    [rest, conversation].map(|api| {
        Sinch::new(sinch::Settings {
            name: "main".to_owned(),
            public_url: PUBLIC_URL.parse().expect("it is an address"),
            api_url: None,
            region: "us".to_owned(),
            api,
            webhook_secrets: vec![Secret::new(SECRET)],
            logins: vec![],
            mms: true,
            keywords_on: true,
        })
    })
});

/// Uses `input` both as a webhook and as a response, in the format of [`fn@super::twilio`]. A webhook without headers is
/// signed, and must then pass verification; with one other byte it must not.
pub fn sinch(input: &[u8]) {
    let written = Written::read(input);
    for sinch in &*SINCH {
        let (mut hook, verified, parsed) = dialect(sinch, &written);
        if verified.is_err() && hook.headers.is_empty() && hook.method == Method::POST {
            for (name, value) in sinch::sign(&Secret::new(SECRET), &hook.body, "01J9Z6Q3M4", "1763791200") {
                hook.headers.insert(name, value.parse().expect("it is a header's"));
            }
            assert_eq!(sinch.verify(&hook, NOW), Ok(()), "a webhook signed by Sinch passes");
            assert_eq!(sinch.parse(&hook), parsed, "the signature does not affect the content");
            let mut body = hook.body.to_vec();
            if let Some(last) = body.last_mut() {
                *last ^= 1;
                hook.body = body.into();
                assert!(sinch.verify(&hook, NOW).is_err(), "another body does not pass");
            }
        }
        let result = sinch.look_up(number(), &[written.response()], None);
        assert!(!matches!(result, LookUp::Request(_)), "one response is enough");
    }
}
