//! `offhook events replay`: re-delivers events of a time range to endpoints (A65).

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use serde_json::{Value, json};

/// The time range to re-deliver, and the endpoint.
pub struct Replay {
    /// Start of the range (inclusive), as in `2026-01-31T12:00:00Z`.
    pub since: String,
    /// End of the range (exclusive); `None` for the latest event.
    pub until: Option<String>,
    /// The name of a `[[platform.webhook]]`; `None` for all.
    pub endpoint: Option<String>,
}

/// Requests the replay, and renders the gateway's answer.
pub async fn replay(door: &Door<'_>, request: Replay) -> Result<String, QueryFailed> {
    let Replay { since, until, endpoint } = request;
    let body = json!({ "since": since, "until": until, "endpoint": endpoint });
    let accepted = Platform::of(door, Scope::Admin)?.post("/v1/events/replay", &body).await?;
    let (Some(from), Some(to)) = (accepted["from"].as_str(), accepted["to"].as_str()) else {
        return Ok("no events in that time range\n".to_owned());
    };
    let endpoints: Vec<_> = accepted["endpoints"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(format!("events from {from} to {to} will be re-delivered to {}\n", endpoints.join(", ")))
}
