//! `offhook console link`: a link that signs a person in at the console.

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use serde_json::json;

/// Has the gateway make a link, for this person or for the only one.
pub async fn link(door: &Door<'_>, person: Option<&str>) -> Result<String, QueryFailed> {
    let ask = person.map_or_else(|| json!({}), |person| json!({ "as": person }));
    let made = Platform::of(door, Scope::Admin)?.post("/v1/console/links", &ask).await?;
    let word = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
    Ok(format!("{}\nworks once, until {}\n", word("url"), word("expires_at")))
}
