//! Draws the screen: the gateway's answers as lines of a given width and number.

use serde_json::Value;

/// The gateway's last answers.
pub(super) struct Seen {
    /// Of `/v1/health`.
    pub(super) health: Value,
    /// Of `/v1/lanes`, the oldest first.
    pub(super) lanes: Value,
    /// Of `/v1/endpoints`.
    pub(super) endpoints: Value,
}

/// The lines of the screen: at most `rows`, none longer than `columns`. `failed` says why the answers are not new.
pub(super) fn draw(seen: &Seen, failed: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = vec![head(&seen.health)];
    lines.extend(failed.map(|why| format!("NO ANSWER, these are the last ones: {why}")));
    lines.extend(texts(&seen.health["notes"]).map(|note| format!("! {note}")));
    lines.push(String::new());
    lines.extend(accounts(&seen.health["accounts"]));
    lines.push(String::new());
    lines.extend(endpoints(&seen.endpoints["items"]));
    lines.push(String::new());
    lines.push(refusals(&seen.health["refusals"]));
    lines.push(String::new());
    // The lanes are last, because they may be more than fit.
    lines.extend(lanes(&seen.lanes["items"]));
    let keys = "q quits";
    lines.truncate(rows.saturating_sub(1));
    if lines.len() < rows && rows != usize::MAX {
        lines.resize(rows - 1, String::new());
        lines.push(keys.to_owned());
    }
    lines.into_iter().map(|line| cut(&line, columns)).collect()
}

fn head(health: &Value) -> String {
    let reasons: Vec<_> = texts(&health["reasons"]).collect();
    match health["ready"].as_bool() {
        Some(true) => "offhook: ready".to_owned(),
        _ => format!("offhook: NOT READY: {}", reasons.join(", ")),
    }
}

fn accounts(items: &Value) -> Vec<String> {
    let row = |account: &Value| {
        let suspended = &account["suspended"];
        let state = if suspended.is_object() {
            format!("suspended by {}: {}", text(&suspended["by"]), text(&suspended["reason"]))
        } else if account["breaker"] == "open" {
            format!("paused until {}: {}", clock(&account["paused_until"]), text(&account["detail"]))
        } else {
            "works".to_owned()
        };
        [text(&account["name"]), clock(&account["last_success_at"]), state]
    };
    table(["ACCOUNT", "LAST SUCCESS", "STATE"], rows(items, row))
}

fn endpoints(items: &Value) -> Vec<String> {
    let row = |endpoint: &Value| {
        let answer = &endpoint["last_answer"];
        let answered = if answer.is_object() {
            format!("{} {} ({})", clock(&answer["at"]), text(&answer["detail"]), text(&answer["outcome"]))
        } else {
            "none yet".to_owned()
        };
        let state = if endpoint["paused"] == true { "PAUSED" } else { "" };
        [
            text(&endpoint["name"]),
            format!("{} ({})", text(&endpoint["behind_events"]), age(&endpoint["behind_ms"])),
            text(&endpoint["parked_calls"]),
            clock(&endpoint["next_try_at"]),
            format!("{answered} {state}").trim_end().to_owned(),
        ]
    };
    table(["ENDPOINT", "BEHIND", "PARKED", "NEXT TRY", "LAST ANSWER"], rows(items, row))
}

fn refusals(items: &Value) -> String {
    let counted = items.as_array().into_iter().flatten();
    let counted: Vec<_> =
        counted.map(|refusal| format!("{} {}", text(&refusal["code"]), text(&refusal["count"]))).collect();
    let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
    format!("REFUSED IN THE LAST HOUR: {counted}")
}

fn lanes(items: &Value) -> Vec<String> {
    let row = |lane: &Value| {
        [
            text(&lane["number"]),
            text(&lane["account"]),
            text(&lane["queued"]),
            age(&lane["oldest_ready_ms"]),
            text(&lane["tokens"]),
            text(&lane["waiting_for"]),
            clock(&lane["until"]),
        ]
    };
    table(["NUMBER", "ACCOUNT", "QUEUED", "OLDEST", "TOKENS", "WAITS FOR", "UNTIL"], rows(items, row))
}

fn rows<const N: usize>(items: &Value, row: impl Fn(&Value) -> [String; N]) -> Vec<[String; N]> {
    items.as_array().into_iter().flatten().map(row).collect()
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> Vec<String> {
    let all: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<_> =
        (0..N).map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

/// The first `columns` characters, without what would steer a terminal.
fn cut(line: &str, columns: usize) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(columns).collect()
}

fn texts(items: &Value) -> impl Iterator<Item = &str> {
    items.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A value as text; a dash for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The time of day of a time, in UTC; a dash for null.
fn clock(value: &Value) -> String {
    value.as_str().and_then(|time| time.get(11..19)).unwrap_or("-").to_owned()
}

/// Milliseconds in a unit that fits.
fn age(value: &Value) -> String {
    match value.as_u64() {
        None => "-".to_owned(),
        Some(ms @ 0..10_000) => format!("{ms} ms"),
        Some(ms @ 10_000..600_000) => format!("{} s", ms / 1_000),
        Some(ms) => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen() -> Seen {
        let suspension = json!({ "reason": "test of the\u{1b}[2J line", "until": null, "since": "", "by": "night" });
        Seen {
            health: json!({
                "ready": true, "reasons": [], "notes": ["account b is suspended: resume it"],
                "accounts": [
                    { "name": "a", "breaker": "open", "paused_until": "2026-11-22T20:00:09.000Z",
                      "detail": "the carrier cannot be reached", "suspended": null, "last_success_at": null },
                    { "name": "b", "breaker": "closed", "suspended": suspension,
                      "last_success_at": "2026-11-22T19:00:00.000Z" },
                ],
                "refusals": [{ "code": "rate_limited", "count": 7 }, { "code": "opted_out", "count": 1 }],
            }),
            lanes: json!({ "items": [
                { "number": "+12065550100", "account": "a", "queued": 12, "oldest_ready_ms": 61_000, "tokens": 0.5,
                  "waiting_for": "carrier_pause", "until": "2026-11-22T20:00:09.000Z" },
                { "number": "+12065550101", "account": "b", "queued": 0, "oldest_ready_ms": null, "tokens": null,
                  "waiting_for": null, "until": null },
            ] }),
            endpoints: json!({ "items": [
                { "name": "main", "watermark": "x", "behind_events": 3, "behind_ms": 1_500, "parked_calls": 2,
                  "last_answer": { "at": "2026-11-22T19:59:59.000Z", "outcome": "refused", "detail": "500" },
                  "next_try_at": "2026-11-22T20:00:01.000Z", "paused": true },
            ] }),
        }
    }

    #[test]
    fn the_screen_shows_accounts_endpoints_refusals_and_lanes() {
        let expected = "\
offhook: ready
! account b is suspended: resume it

ACCOUNT  LAST SUCCESS  STATE
a        -             paused until 20:00:09: the carrier cannot be reached
b        19:00:00      suspended by night: test of the\u{fffd}[2J line

ENDPOINT  BEHIND       PARKED  NEXT TRY  LAST ANSWER
main      3 (1500 ms)  2       20:00:01  19:59:59 500 (refused) PAUSED

REFUSED IN THE LAST HOUR: rate_limited 7, opted_out 1

NUMBER        ACCOUNT  QUEUED  OLDEST  TOKENS  WAITS FOR      UNTIL
+12065550100  a        12      61 s    0.5     carrier_pause  20:00:09
+12065550101  b        0       -       -       -              -";
        assert_eq!(draw(&seen(), None, 100, usize::MAX).join("\n"), expected);
    }

    #[test]
    fn the_screen_fits_any_terminal_and_says_how_to_leave() {
        for (columns, rows) in [(80, 24), (40, 12), (10, 5), (1, 1), (0, 0), (300, 60)] {
            let lines = draw(&seen(), Some("connection refused"), columns, rows);
            assert_eq!(lines.len(), rows, "{columns} × {rows}");
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns} × {rows}: {lines:?}");
        }
        let lines = draw(&seen(), Some("connection refused"), 80, 24);
        assert_eq!(lines[1], "NO ANSWER, these are the last ones: connection refused");
        assert_eq!(lines[23], "q quits");
    }

    #[test]
    fn a_gateway_that_is_not_ready_says_why() {
        let health = json!({ "ready": false, "reasons": ["draining", "low_disk"] });
        let seen = Seen { health, lanes: Value::Null, endpoints: Value::Null };
        assert_eq!(draw(&seen, None, 80, 24)[0], "offhook: NOT READY: draining, low_disk");
    }
}
