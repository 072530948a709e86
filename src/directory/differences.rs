//! The changes that applying a document would make, one line each.

use super::Document;
use super::render::{self, reach};
use crate::rules::opt_out::union;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt;

/// The changes made by a document. Printed, it contains personal data: only for the operator's own terminal.
#[derive(PartialEq, Eq)]
pub struct Differences {
    /// There was no directory before.
    first: bool,
    changes: Vec<ResourceChange>,
    /// People who are newly blocked.
    added: usize,
    /// People whose block is extended.
    widened: usize,
    /// People that the document does not block, or blocks less than the gateway does.
    staying: usize,
}

/// What becomes of a resource or of an opt-out.
#[derive(PartialEq, Eq)]
struct ResourceChange {
    /// The section of the document.
    section: &'static str,
    /// Its key there; for presets language and id. The settings have no key.
    id: Option<String>,
    kind: ChangeKind,
    /// The label or name of a created resource.
    label: Option<Value>,
    /// Fields that differ. A created opt-out has those of its extent, other created resources have none here.
    fields: Vec<FieldChange>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    Created,
    Changed,
    Deleted,
}

impl ChangeKind {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// A field that differs. One that exists on one side only, such as the text of a language, has no value on the other.
#[derive(PartialEq, Eq)]
struct FieldChange {
    /// Its path in the resource, like `closing.texts.en`.
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Differences {
    /// The changes from `before` to `after`.
    pub fn between(has_directory: bool, before: &Document, after: &Document) -> Self {
        let mut differences = Self { first: !has_directory, changes: Vec::new(), added: 0, widened: 0, staying: 0 };
        let (was, is) = (render::directory(&before.directory), render::directory(&after.directory));
        differences.changed("settings", None, &was["settings"], &is["settings"]);
        for section in ["numbers", "queues"] {
            differences.resources(section, "", was[section].as_object(), is[section].as_object());
        }
        let languages = both(was["presets"].as_object(), is["presets"].as_object());
        for (language, was, is) in languages {
            let presets = |of: Option<&'_ Value>| of.and_then(Value::as_object).cloned();
            let (was, is) = (presets(was), presets(is));
            differences.resources("presets", &format!("{language}/"), was.as_ref(), is.as_ref());
        }
        differences.resources("accounts", "", was["accounts"].as_object(), is["accounts"].as_object());
        differences.opt_outs(before, after);
        differences
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        !self.first && self.changes.is_empty()
    }

    /// The changes as the API shows them.
    pub fn document(&self) -> Value {
        let changes = self.changes.iter().map(|ResourceChange { section, id, kind, label, fields }| {
            let fields = fields.iter().map(|FieldChange { field, before, after }| {
                let mut shown = Map::from_iter([("field".to_owned(), json!(field))]);
                let values = [("before", before), ("after", after)];
                shown.extend(values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))));
                Value::Object(shown)
            });
            let fields = fields.collect::<Vec<_>>();
            json!({ "resource": section, "id": id, "change": kind.word(), "label": label, "fields": fields })
        });
        json!({
            "first": self.first,
            "changes": changes.collect::<Vec<_>>(),
            "opt_outs_added": self.added,
            "opt_outs_widened": self.widened,
            "opt_outs_kept": self.staying,
        })
    }

    /// Added and removed resources are named, the others compared.
    fn resources(
        &mut self,
        section: &'static str,
        prefix: &str,
        was: Option<&Map<String, Value>>,
        is: Option<&Map<String, Value>>,
    ) {
        for (key, was, is) in both(was, is) {
            let id = Some(format!("{prefix}{key}"));
            match (was, is) {
                (Some(was), Some(is)) => self.changed(section, id, was, is),
                (None, Some(is)) => {
                    let label = is.get("label").or_else(|| is.get("name")).cloned();
                    let kind = ChangeKind::Created;
                    self.changes.push(ResourceChange { section, id, kind, label, fields: Vec::new() });
                }
                (Some(_), None) => {
                    let kind = ChangeKind::Deleted;
                    self.changes.push(ResourceChange { section, id, kind, label: None, fields: Vec::new() });
                }
                (None, None) => {}
            }
        }
    }

    fn changed(&mut self, section: &'static str, id: Option<String>, was: &Value, is: &Value) {
        let mut fields = Vec::new();
        compare("", was, is, &mut fields);
        if !fields.is_empty() {
            self.changes.push(ResourceChange { section, id, kind: ChangeKind::Changed, label: None, fields });
        }
    }

    /// Opt-outs are only added, so those absent from the document are only counted.
    fn opt_outs(&mut self, before: &Document, after: &Document) {
        let known: HashMap<_, _> = before.opt_outs.iter().map(|(person, block)| (*person, block)).collect();
        let listed: HashMap<_, _> = after.opt_outs.iter().map(|(person, block)| (*person, block)).collect();
        for (person, block) in &after.opt_outs {
            let was = known.get(person).copied();
            let Some(is) = union(was, block) else { continue };
            let (section, id) = ("opt_outs", Some(person.to_string()));
            match was {
                Some(was) => {
                    self.widened += 1;
                    self.changed(section, id, &reach(was).into(), &reach(&is).into());
                }
                None => {
                    self.added += 1;
                    let field = |(field, after)| FieldChange { field, before: None, after: Some(after) };
                    let fields = reach(&is).into_iter().map(field).collect();
                    self.changes.push(ResourceChange { section, id, kind: ChangeKind::Created, label: None, fields });
                }
            }
        }
        let stays = |(person, block)| union(listed.get(person).copied(), block).is_some();
        self.staying =
            before.opt_outs.iter().map(|(person, block)| (person, block)).filter(|known| stays(*known)).count();
    }
}

/// Adds the fields at `at` that differ.
fn compare(at: &str, was: &Value, is: &Value, into: &mut Vec<FieldChange>) {
    if was == is {
        return;
    }
    let (Value::Object(was), Value::Object(is)) = (was, is) else {
        into.push(FieldChange { field: at.to_owned(), before: Some(was.clone()), after: Some(is.clone()) });
        return;
    };
    for (key, was, is) in both(Some(was), Some(is)) {
        let field = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (was, is) {
            (Some(was), Some(is)) => compare(&field, was, is, into),
            (before, after) => into.push(FieldChange { field, before: before.cloned(), after: after.cloned() }),
        }
    }
}

/// The entries of two objects by key: the old ones, then the new ones.
fn both<'a>(
    was: Option<&'a Map<String, Value>>,
    is: Option<&'a Map<String, Value>>,
) -> Vec<(&'a String, Option<&'a Value>, Option<&'a Value>)> {
    let there = was.into_iter().flatten().map(|(key, value)| (key, Some(value), is.and_then(|is| is.get(key))));
    let new = is.into_iter().flatten().filter(|(key, _)| was.is_none_or(|was| !was.contains_key(*key)));
    there.chain(new.map(|(key, value)| (key, None, Some(value)))).collect()
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, widened, staying, .. } = self;
        if self.first {
            writeln!(f, "there is no directory yet: the document becomes the first one")?;
        }
        for change in &self.changes {
            write!(f, "{change}")?;
        }
        if added + widened > 0 {
            writeln!(f, "opt-outs: {added} new, {widened} wider than before")?;
        }
        if *staying > 0 {
            writeln!(f, "opt-outs: {staying} not in the document, or narrower there: they are kept unchanged")?;
        }
        Ok(())
    }
}

impl fmt::Display for ResourceChange {
    /// A line for a created or deleted resource, and one for each field of a changed one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, id, kind, label, fields } = self;
        let at = match id {
            None => (*section).to_owned(),
            Some(id) if *section == "presets" => format!("{section}.{}", id.replacen('/', ".", 1)),
            Some(id) => format!("{section}.{id}"),
        };
        match kind {
            ChangeKind::Created => {
                let of = |name: &str| fields.iter().find(|field| field.field == name)?.after.as_ref();
                let named = if *section == "queues" { "name" } else { "label" };
                let named = label.as_ref().map(|label| format!(" ({named} {label})")).unwrap_or_default();
                let ours = of("our_numbers").filter(|_| of("everywhere") == Some(&Value::Bool(false)));
                let ours: Vec<_> =
                    ours.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
                let from = if ours.is_empty() { String::new() } else { format!(" (from {})", ours.join(", ")) };
                writeln!(f, "+ {at}{named}{from}")
            }
            ChangeKind::Deleted => writeln!(f, "- {at}"),
            ChangeKind::Changed => {
                fields.iter().try_for_each(|FieldChange { field, before, after }| match (before, after) {
                    (Some(before), Some(after)) => writeln!(f, "~ {at}.{field}: {before} -> {after}"),
                    (None, Some(after)) => writeln!(f, "+ {at}.{field}: {after}"),
                    (Some(before), None) => writeln!(f, "- {at}.{field}: {before}"),
                    (None, None) => Ok(()),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Onto, read};
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/directory.example.json");

    #[test]
    fn identical_directories_have_no_differences() {
        check(|_| {}, &[]);
        assert!(between(true, |_| {}).is_empty());
    }

    #[test]
    fn r38_each_changed_setting_is_a_line() {
        check(
            |document| {
                let settings = &mut document["settings"];
                settings["custom_messages"] = json!(false);
                settings["non_us"]["in_call"] = json!(true);
                settings["closing"]["texts"]["en"] = json!("\"Bye\".");
                settings["closing"]["texts"]["fr"] = json!("Au revoir.");
                settings["auto_reply"]["texts"] = json!({ "en": "This number is not monitored. Please call us." });
                settings["call_types"] = json!(["inbound_ivr", "callback"]);
                settings["minimum_attestation"] = json!("B");
            },
            &[
                "~ settings.non_us.in_call: false -> true",
                "~ settings.custom_messages: true -> false",
                "~ settings.closing.texts.en: \"Thanks for calling. This conversation has ended.\" -> \"\\\"Bye\\\".\"",
                "+ settings.closing.texts.fr: \"Au revoir.\"",
                "- settings.auto_reply.texts.it: \"Questo numero non è presidiato. La preghiamo di chiamarci.\"",
                "~ settings.call_types: [\"inbound_ivr\"] -> [\"inbound_ivr\",\"callback\"]",
                "~ settings.minimum_attestation: null -> \"B\"",
            ],
        );
    }

    #[test]
    fn added_and_removed_resources_are_named_and_others_compared() {
        check(
            |document| {
                let entry = json!({ "label": "Support B", "account": "main", "verification": { "state": "verified" } });
                document["numbers"]["+12065550104"] = entry;
                document["numbers"]["+12065550101"]["limits"]["segments_per_second"] = json!(0.5);
                document["numbers"].as_object_mut().unwrap().remove("+12065550103");
                document["queues"]["support"]["inbound_numbers"] = json!(["+12065550100", "+12065550104"]);
                document["queues"]["night"] = json!({ "name": "Night" });
                document["presets"]["it"].as_object_mut().unwrap().remove("welcome");
                document["presets"]["fr"] = json!({ "bye": { "label": "Fin", "text": "Au revoir." } });
                document["accounts"] = json!({ "main": { "limits": { "day_zone": "Europe/Rome" } } });
            },
            &[
                "~ numbers.+12065550101.limits.segments_per_second: 3.0 -> 0.5",
                "- numbers.+12065550103",
                "+ numbers.+12065550104 (label \"Support B\")",
                "~ queues.support.inbound_numbers: [\"+12065550100\"] -> [\"+12065550100\",\"+12065550104\"]",
                "+ queues.night (name \"Night\")",
                "- presets.it.welcome",
                "+ presets.fr.bye (label \"Fin\")",
                "+ accounts.main",
            ],
        );
        check(
            |document| drop(document["presets"].as_object_mut().unwrap().remove("it")),
            &["- presets.it.photo", "- presets.it.welcome"],
        );
    }

    #[test]
    fn opt_outs_are_added_and_never_removed() {
        let only = |ours: &[&str]| json!({ "number": "+12065550142", "our_numbers": ours });
        check(
            |document| document["opt_outs"] = json!(["+12065550177", only(&["+12065550100", "+12065550102"])]),
            &[
                "+ opt_outs.+12065550142 (from +12065550100, +12065550102)",
                "+ opt_outs.+12065550177",
                "opt-outs: 2 new, 0 wider than before",
                "opt-outs: 1 not in the document, or narrower there: they are kept unchanged",
            ],
        );
        let stays = "opt-outs: 1 not in the document, or narrower there: they are kept unchanged";
        check(|document| document["opt_outs"] = json!([]), &[stays]);
        assert!(between(true, |document| document["opt_outs"] = json!([])).is_empty());
        let narrow = json!([{ "number": "+12065550199", "our_numbers": ["+12065550100"] }]);
        check(
            |document| document["opt_outs"] = narrow.clone(),
            &[
                "~ opt_outs.+12065550199.our_numbers: [] -> [\"+12065550100\"]",
                "opt-outs: 0 new, 1 wider than before",
                stays,
            ],
        );
    }

    #[test]
    fn the_api_shows_changes_with_their_values() {
        let differences = between(true, |document| {
            document["settings"]["minimum_attestation"] = json!("B");
            document["settings"]["closing"]["texts"]["fr"] = json!("Au revoir.");
            document["queues"]["night"] = json!({ "name": "Night" });
            document["presets"]["it"].as_object_mut().unwrap().remove("welcome");
            document["opt_outs"] = json!([{ "number": "+12065550142", "our_numbers": ["+12065550100"] }]);
        });
        let shown = differences.document();
        let fields = json!([
            { "field": "closing.texts.fr", "after": "Au revoir." },
            { "field": "minimum_attestation", "before": null, "after": "B" },
        ]);
        let reach = json!([
            { "field": "everywhere", "after": false },
            { "field": "our_numbers", "after": ["+12065550100"] },
        ]);
        let change = |resource: &str, id: Value, change: &str, label: Value, fields: &Value| json!({ "resource": resource, "id": id, "change": change, "label": label, "fields": fields });
        let expected = json!([
            change("settings", Value::Null, "changed", Value::Null, &fields),
            change("queues", json!("night"), "created", json!("Night"), &json!([])),
            change("presets", json!("it/welcome"), "deleted", Value::Null, &json!([])),
            change("opt_outs", json!("+12065550142"), "created", Value::Null, &reach),
        ]);
        assert_eq!(shown["changes"], expected);
        let counts = ["opt_outs_added", "opt_outs_widened", "opt_outs_kept"].map(|key| shown[key].as_u64());
        assert_eq!((&shown["first"], counts), (&json!(false), [Some(1), Some(0), Some(1)]));
    }

    #[test]
    fn first_document_is_always_a_change() {
        let nothing = Document::default();
        let differences = Differences::between(false, &nothing, &nothing);
        assert!(!differences.is_empty());
        assert_eq!(differences.to_string(), "there is no directory yet: the document becomes the first one\n");
    }

    /// What applying the example with a `change` prints on top of the unchanged example.
    #[track_caller]
    fn check(change: impl Fn(&mut Value), lines: &[&str]) {
        let printed = between(true, change).to_string();
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
    }

    #[track_caller]
    fn between(has_directory: bool, change: impl Fn(&mut Value)) -> Differences {
        let mut document = serde_json::from_str(EXAMPLE).unwrap();
        change(&mut document);
        let accounts = ["main".to_owned()];
        let onto = Onto { before: None, accounts: &accounts, force: false };
        let read = |text: &str| read(text, onto).unwrap_or_else(|problems| panic!("{problems:?}"));
        Differences::between(has_directory, &read(EXAMPLE), &read(&document.to_string()))
    }
}
