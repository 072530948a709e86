//! `offhook events replay`: endpoints are told once more what they were told (A65).

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use serde_json::{Value, json};

/// What is to be told once more, and to whom.
pub struct Replay {
    /// Events of this moment and later, as in `2026-01-31T12:00:00Z`.
    pub since: String,
    /// Events before this moment; all there are where there is none.
    pub until: Option<String>,
    /// The name of a `[[platform.webhook]]`; all where there is none.
    pub endpoint: Option<String>,
}

/// Asks the gateway behind this door.
pub async fn replay(door: &Door<'_>, wanted: Replay) -> Result<String, QueryFailed> {
    let Replay { since, until, endpoint } = wanted;
    let asked = json!({ "since": since, "until": until, "endpoint": endpoint });
    let told = Platform::of(door, Scope::Admin)?.post("/v1/events/replay", &asked).await?;
    let (Some(from), Some(to)) = (told["from"].as_str(), told["to"].as_str()) else {
        return Ok("nothing happened then\n".to_owned());
    };
    let endpoints: Vec<_> = told["endpoints"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(format!("{} will be told once more what happened from {from} to {to}\n", endpoints.join(", ")))
}
