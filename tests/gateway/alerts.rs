//! The rules for alerts, against the metrics there are and by Prometheus' own tests.

use crate::process::{offhook, said, skipped};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn rules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/prometheus")
}

fn read(name: &str) -> String {
    fs::read_to_string(rules().join(name)).unwrap()
}

/// The names of the alerts, each of which begins its rule.
fn alerts() -> Vec<String> {
    let names = read("alerts.yml");
    let names: Vec<_> =
        names.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert!(names.len() > 20, "{names:?}");
    names
}

#[test]
fn f19_every_metric_of_an_alert_is_counted() {
    let printed = said(&offhook(&["metrics"]));
    let there: BTreeSet<_> = printed.lines().filter_map(|line| line.split(' ').next()).collect();
    for file in ["alerts.yml", "alerts_test.yml"] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<_> = words.filter(|word| word.starts_with("offhook_")).collect();
        for metric in named {
            assert!(there.contains(metric), "{file} names {metric}, which `offhook metrics` does not");
        }
    }
}

#[test]
fn f19_every_alert_is_tested_to_fire_and_to_stay_silent() {
    let tests = read("alerts_test.yml");
    for alert in alerts() {
        let silent = format!("- {{ alertname: {alert}, eval_time: ");
        let silent = tests.lines().any(|line| line.trim().starts_with(&silent) && line.ends_with("exp_alerts: [] }"));
        let fires = tests.lines().any(|line| line.trim() == format!("- alertname: {alert}"));
        assert!(silent && fires, "{alert}: silent {silent}, fires {fires}");
    }
}

#[test]
fn f19_every_alert_fires_and_stays_silent_as_promtool_sees_it() {
    let tested = Command::new("promtool").args(["test", "rules", "alerts_test.yml"]).current_dir(rules()).output();
    let Ok(tested) = tested else { return skipped("the tests of the alert rules: promtool is missing") };
    assert!(tested.status.success(), "{}", said(&tested));
}

#[test]
fn f19_every_metric_of_the_chapter_on_alerts_has_a_rule() {
    let operations = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap();
    let chapter = operations.split("\n## ").find(|chapter| chapter.starts_with("Alerts")).expect("it is there");
    let rows: Vec<_> = chapter.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let rules = read("alerts.yml");
    assert!(rows.len() > 10, "{chapter}");
    for row in rows {
        let watched = row.split(" | ").next().unwrap_or_default();
        let metrics: Vec<_> = watched.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let metrics = metrics.into_iter().filter(|word| word.starts_with("offhook_"));
        for metric in metrics {
            assert!(rules.contains(metric), "there is no alert on {metric}");
        }
    }
}
