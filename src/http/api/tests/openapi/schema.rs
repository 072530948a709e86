//! Comparing values with their schemas.

use serde_json::{Value, json};

/// What a reference refers to, or the value itself.
pub(super) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => resolve(document, document.pointer(target.strip_prefix('#').unwrap()).unwrap()),
        None => value,
    }
}

/// Where a value is not as its schema says: of another type or none of the listed values, without a required field, or
/// with a field that the schema does not have.
pub(super) fn differences(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolve(document, schema);
    if let Some(mapping) = schema["discriminator"]["mapping"].as_object() {
        let named = schema["discriminator"]["propertyName"].as_str().and_then(|field| value[field].as_str());
        return match named.and_then(|named| mapping.get(named)) {
            Some(target) => differences(document, &json!({ "$ref": target }), value, at),
            None => vec![format!("{at} {named:?} is not in the mapping")],
        };
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let each = choices.iter().map(|choice| differences(document, choice, value, at));
        let fewest = each.min_by_key(|wrong| (wrong.len(), wrong.iter().any(|text| text.contains("is not of type"))));
        return fewest.unwrap_or_default();
    }
    if *schema == document["components"]["schemas"]["AnyValue"] {
        return Vec::new();
    }
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: unknown type {other}"),
    };
    if !types.iter().any(|name| is(name.as_str().unwrap())) {
        return vec![format!("{at} {value} is not of type {types:?}")];
    }
    if schema["enum"].as_array().is_some_and(|listed| !listed.contains(value)) {
        return vec![format!("{at} {value} is not listed")];
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return vec![format!("{at} {value} is not {}", schema["const"])];
    }
    let mut wrong = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        wrong.extend(differences(document, &schema["items"], item, &format!("{at}[]")));
    }
    let Some(fields) = value.as_object().filter(|_| schema.get("properties").is_some()) else { return wrong };
    let required = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
    wrong.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}.{name} is missing")));
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(schema) => wrong.extend(differences(document, schema, field, &format!("{at}.{name}"))),
            None => wrong.push(format!("{at}.{name} is not in the schema")),
        }
    }
    wrong
}
