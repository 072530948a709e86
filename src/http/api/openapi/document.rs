//! Schemas of the directory as one document, and of opt-outs.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{PhoneNumber, Time, pages};
use std::collections::BTreeMap;
use utoipa::openapi::Object;
use utoipa::{IntoParams, ToSchema};

pages! {
    OptOutPage of PersonOptOut;
}

/// The whole directory: values as those of the resources, by their keys. In a PUT, what is left out has its default.
#[derive(ToSchema)]
pub(in crate::http::api) struct Directory {
    /// As in GET /v1/settings.
    #[schema(nullable = false)]
    settings: Option<Object>,
    /// By number, as in PUT /v1/numbers/{e164}, with `verification`.
    #[schema(nullable = false)]
    numbers: Option<BTreeMap<String, Object>>,
    /// By id, as in PUT /v1/queues/{queue_id}.
    #[schema(nullable = false)]
    queues: Option<BTreeMap<String, Object>>,
    /// By language and id, as in PUT /v1/presets/{language}/{preset_id}.
    #[schema(nullable = false)]
    presets: Option<BTreeMap<String, BTreeMap<String, Object>>>,
    /// By name: the limits, as in PUT /v1/accounts/{name}.
    #[schema(nullable = false)]
    accounts: Option<BTreeMap<String, Object>>,
    /// People who must not be texted. They are added to the known ones; none is removed.
    #[schema(nullable = false)]
    opt_outs: Option<Vec<DocumentPerson>>,
}

/// A person whom some of our numbers must not text. If that is all of them, the person's number alone is enough.
#[derive(ToSchema)]
struct DocumentPerson {
    number: PhoneNumber,
    #[schema(default = false, nullable = false)]
    everywhere: Option<bool>,
    #[schema(nullable = false)]
    our_numbers: Option<Vec<PhoneNumber>>,
}

/// What a PUT of a document would change.
#[derive(ToSchema)]
pub(in crate::http::api) struct DirectoryDiff {
    /// There is no directory yet.
    first: bool,
    changes: Vec<ResourceChange>,
    /// People who would be opted out.
    opt_outs_added: u64,
    /// People whose opt-out would cover more of our numbers.
    opt_outs_widened: u64,
    /// People who are opted out, but not in the document, or from fewer of our numbers: they stay as they are.
    opt_outs_kept: u64,
    /// The document takes `?force=true`.
    needs_force: bool,
}

/// What a PUT of a document changed.
#[derive(ToSchema)]
pub(in crate::http::api) struct DirectoryApplied {
    /// There was no directory before.
    first: bool,
    changes: Vec<ResourceChange>,
    /// People who were opted out.
    opt_outs_added: u64,
    /// People whose opt-out covers more of our numbers now.
    opt_outs_widened: u64,
    /// People who are opted out, but not in the document, or from fewer of our numbers: they stay as they are.
    opt_outs_kept: u64,
    /// The journal's position with the changes; null if nothing changed.
    #[schema(required)]
    position: Option<u64>,
}

#[derive(ToSchema)]
struct ResourceChange {
    resource: Section,
    /// Its key in the document; of a preset language/id. The settings have none.
    #[schema(required)]
    id: Option<String>,
    change: ChangeKind,
    /// The label or name of a created resource.
    #[schema(required)]
    label: Option<String>,
    /// The fields that differ. A created opt-out has all of its fields here, other created resources have none.
    fields: Vec<FieldChange>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Section {
    Settings,
    Numbers,
    Queues,
    Presets,
    Accounts,
    OptOuts,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ChangeKind {
    Created,
    Changed,
    Deleted,
}

/// A field that differs. One that exists on one side only has no value on the other.
#[derive(ToSchema)]
struct FieldChange {
    /// Its path in the resource, like closing.texts.en.
    field: String,
    #[schema(required = false)]
    before: AnyValue,
    #[schema(required = false)]
    after: AnyValue,
}

/// Any JSON.
#[derive(ToSchema)]
struct AnyValue(String);

/// Our numbers that must not text a person.
#[derive(ToSchema)]
pub(in crate::http::api) struct OptOutPut {
    /// None of our numbers. Default: true if `our_numbers` is empty.
    #[schema(nullable = false)]
    everywhere: Option<bool>,
    /// These of our numbers.
    #[schema(nullable = false, max_items = 64)]
    our_numbers: Option<Vec<PhoneNumber>>,
    /// Why, for the audit.
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// A person who must not be texted.
#[derive(ToSchema)]
pub(in crate::http::api) struct PersonOptOut {
    number: PhoneNumber,
    /// None of our numbers may text this person.
    everywhere: bool,
    /// Our numbers that received STOP, that the carrier reports as blocked, or that an administrator listed.
    our_numbers: Vec<PhoneNumber>,
    since: Time,
    by: OptOutBy,
}

/// Who changed the opt-out last.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum OptOutBy {
    Keyword,
    Carrier,
    Administrator,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct OptOutFilter {
    /// Only that of this person.
    #[param(inline, nullable = false)]
    number: Option<PhoneNumber>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct ReasonQuery {
    /// Why, for the audit.
    #[param(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 500)]
    reason: String,
}
