//! Plivo's signatures: <https://www.plivo.com/docs/messaging/concepts/signature-validation>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// `X-Plivo-Signature-V2`: the URL without its query, and the nonce.
pub(super) fn signature_v2(token: &str, url: &str, nonce: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    mac(token, &format!("{address}{nonce}"))
}

/// `X-Plivo-Signature-V3` of a form POST: the URL, its query in order, the form in order, and the nonce.
pub(super) fn signature_v3(token: &str, url: &str, fields: &[(&str, &str)], nonce: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let fields: String = fields.into_iter().flat_map(|(name, value)| [name, value]).collect();

    let mut signed = address.to_owned();
    if !query.is_empty() || !fields.is_empty() {
        signed.push('?');
    }
    signed.push_str(&query.join("&"));
    if !query.is_empty() && !fields.is_empty() {
        signed.push('.');
    }
    signed.push_str(&fields);
    mac(token, &format!("{signed}.{nonce}"))
}

fn mac(token: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(signed.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::vector_header;
    use super::*;
    use serde_json::Value;

    #[test]
    fn signatures_match_the_vectors() {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../../tests/vectors/plivo.json")).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["method"] == "POST") {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let pairs: Vec<(String, String)> = form_urlencoded::parse(text("/body").as_bytes()).into_owned().collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            let token = text("/secret/auth_token").to_owned() + text("/secret/main_auth_token");
            let (header, url) =
                (|name: &str| vector_header(vector, &format!("x-plivo-signature-{name}")), text("/url"));
            let (ours, names) = match text("/scheme") {
                "v2" => (signature_v2(&token, url, header("v2-nonce")), ["v2", "ma-v2"]),
                _ => (signature_v3(&token, url, &pairs, header("v3-nonce")), ["v3", "ma-v3"]),
            };
            let theirs = names.map(header);
            let matches = theirs.iter().flat_map(|list| list.split(',')).any(|one| one.trim() == ours);
            assert_eq!(matches, vector["valid"] == true, "{}: {}", text("/name"), text("/note"));
            checked += 1;
        }
        assert!(checked > 35, "only {checked} vectors are posted");
    }

    #[test]
    fn worked_example_of_the_data_sheet_is_signed_without_the_query() {
        let url = "https://gw.example.com/hooks/plivo/acct1?tenant=42";
        let signed = "https://gw.example.com/hooks/plivo/acct105429567804466091622";
        assert_eq!(signature_v2("T", url, "05429567804466091622"), mac("T", signed));
    }
}
