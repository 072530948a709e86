//! `offhook erase` on a running gateway.

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use crate::model::E164;
use serde_json::json;
use std::time::Duration;

/// How often the erasure's state is queried.
const EVERY: Duration = Duration::from_millis(250);

/// Requests the erasure, waits until it has ended, and says what was erased.
pub async fn erase(door: &Door<'_>, who: E164) -> Result<String, QueryFailed> {
    let platform = Platform::of(door, Scope::Admin)?;
    let mut erasure = platform.post("/v1/erasures", &json!({ "number": who.to_string() })).await?;
    let id = erasure["id"].as_str().unwrap_or_default().to_owned();
    while erasure["state"] == "running" {
        tokio::time::sleep(EVERY).await;
        erasure = platform.get(&format!("/v1/erasures/{id}")).await?;
    }
    if erasure["state"] != "done" {
        let why = "the erasure failed, because data is damaged: see the gateway's log, repair it, and erase again";
        return Err(QueryFailed::Refused(why.to_owned()));
    }
    let count = |name: &str| erasure[name].as_u64().unwrap_or_default();
    Ok(said(count("bodies"), count("records"), count("named_elsewhere")))
}

/// What was erased, for people.
pub fn said(bodies: u64, records: u64, named_elsewhere: u64) -> String {
    let mut said = format!("erased: {bodies} numbers and texts in {records} records\n");
    if named_elsewhere > 0 {
        said += &format!(
            "{named_elsewhere} records contain the number in an externally assigned name, such as a call id, which \
             cannot be erased: they are deleted when their retention ends\n"
        );
    }
    said
}
