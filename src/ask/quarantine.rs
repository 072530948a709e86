//! `offhook quarantine`: lists, shows, replays and discards authentic webhooks that could not be read (A58).

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use crate::model::QuarantineId;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line per quarantined webhook, oldest first.
pub async fn list(door: &Door<'_>) -> Result<String, QueryFailed> {
    let platform = Platform::of(door, Scope::Read)?;
    let (mut text, mut cursor) = (String::new(), None);
    loop {
        let after = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let page = platform.get(&format!("/v1/quarantine?limit=500{after}")).await?;
        for entry in page["items"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "{}", line(entry));
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(if text.is_empty() { "nothing is in quarantine\n".to_owned() } else { text })
}

/// One webhook with its body.
pub async fn show(door: &Door<'_>, id: QuarantineId) -> Result<String, QueryFailed> {
    let found = Platform::with_texts(door, Scope::Read)?.get(&format!("/v1/quarantine/{id}")).await?;
    let of = |field: &str| found[field].as_str().unwrap_or("not kept");
    Ok(format!("{}\ncontent type: {}\n\n{}\n", line(&found), of("content_type"), printable(of("body"))))
}

/// Has a webhook read again; says what became of its items.
pub async fn replay(door: &Door<'_>, id: QuarantineId) -> Result<String, QueryFailed> {
    let path = format!("/v1/quarantine/{id}/replay");
    let replayed = Platform::of(door, Scope::Operate)?.post(&path, &json!({})).await?;
    let outcomes = replayed["outcomes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let outcomes: Vec<_> = outcomes.collect();
    Ok(match outcomes.as_slice() {
        [] => format!("{id}: replayed; it contains nothing\n"),
        outcomes => format!("{id}: replayed: {}\n", outcomes.join(", ")),
    })
}

/// Discards a webhook.
pub async fn discard(door: &Door<'_>, id: QuarantineId) -> Result<String, QueryFailed> {
    Platform::of(door, Scope::Operate)?.delete(&format!("/v1/quarantine/{id}")).await?;
    Ok(format!("{id}: discarded\n"))
}

fn line(entry: &Value) -> String {
    let of = |field: &str| entry[field].as_str().unwrap_or_default();
    let bytes = entry["bytes"].as_u64().unwrap_or_default();
    format!("{}  {}  {}  {bytes} bytes  {}", of("id"), of("at"), of("account"), of("problem"))
}

/// A body that comes from outside, without what would steer a terminal.
fn printable(body: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    body.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\n\u{1b}[2Jc\u{9b}1m"), "a\tb\n\u{fffd}[2Jc\u{fffd}1m");
    }

    #[test]
    fn an_entry_is_one_line() {
        let entry = json!({
            "id": "qua_1", "account": "main", "at": "2026-11-22T20:00:00.000Z", "problem": "From is missing", "bytes": 81,
        });
        assert_eq!(line(&entry), "qua_1  2026-11-22T20:00:00.000Z  main  81 bytes  From is missing");
    }
}
