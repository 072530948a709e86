//! The table of `docs/CARRIERS.md` against the dialects of the example's accounts.

use super::*;
use crate::carrier::{ListPart, ListStep, LookUp, MediaFrom, WEBHOOK_MAX_BYTES, Webhook};
use http::{HeaderMap, Method};
use std::collections::BTreeMap;

const TABLE: &str = include_str!("../../../../docs/CARRIERS.md");

const TWILIO: &str = "name = \"twilio\"\ncarrier = \"twilio\"\npublic_url = \"https://sms.example.com\"\n\
                      account_sid = \"AC00000000000000000000000000000000\"\nauth_token_files = [\"secrets/hex\"]";

/// The cells of each row, by the row's name and the carrier's.
fn cells() -> BTreeMap<(String, String), String> {
    let mut rows = TABLE.lines().skip_while(|line| !line.starts_with("| |")).take_while(|line| line.starts_with('|'));
    let split = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let head = split(rows.next().unwrap());
    let names: Vec<_> = CARRIERS.iter().map(|carrier| carrier.name.to_owned()).collect();
    assert_eq!(BTreeMap::from_iter(head[1..].iter().map(|name| (name, ()))).len(), names.len());
    assert!(names.iter().all(|name| head.contains(name)), "each carrier has a column: {head:?}");
    let of_row = |row: Vec<String>| {
        let cells = head.clone().into_iter().zip(row.clone()).skip(1);
        cells.map(move |(carrier, cell)| ((row[0].clone(), carrier), cell)).collect::<Vec<_>>()
    };
    rows.skip(1).map(split).flat_map(of_row).collect()
}

/// An account with the keys of the example.
fn account(carrier: &str) -> AccountConfig {
    let text = if carrier == "twilio" { TWILIO.to_owned() } else { example_of(carrier) };
    let key = include_str!("../../../../tests/bodies/vonage/application.pem");
    let mut secrets = vec![("secrets/hex", "5f3a9c0e7b21d4468ac0ff13572b9e60"), ("secrets/vonage-private.key", key)];
    let named = text.split('"').filter(|text| text.starts_with("secrets/") && *text != "secrets/vonage-private.key");
    secrets.extend(named.filter(|name| *name != "secrets/hex").map(|name| (name, "Zk3pQ8vN1xT6yB4mR9sW2dF7")));
    let read = accounts_with(&text, &secrets, CARRIERS);
    read.unwrap_or_else(|problems| panic!("{carrier}: {problems}")).0.remove(0)
}

#[test]
fn the_table_of_carriers_says_what_their_dialects_do() {
    let cells = cells();
    for Carrier { name, .. } in CARRIERS {
        let cell = |row: &str| cells[&(row.to_owned(), (*name).to_owned())].as_str();
        let dialect = account(name).dialect;
        let says = |row: &str, does: bool| assert_eq!(cell(row) != "no", does, "{name}: {row}: {}", cell(row));
        says("photos and videos in", dialect.media_from() != MediaFrom::Nowhere);
        says("several items in a webhook", dialect.body_max_bytes() > WEBHOOK_MAX_BYTES);
        let number = "+14155550199".parse().unwrap();
        let asks = !matches!(dialect.look_up(number, &[], None), LookUp::Found(_) | LookUp::NotOurs);
        says("number and webhook are looked up", asks);
        let first = ListPart::Page { since: Timestamp::default(), next: None };
        let has_list = !matches!(dialect.list(&first, None, None), ListStep::NoList);
        says("what never arrived is found", has_list);
        assert!(dialect.token_request().is_none() || cell("our sends").contains("OAuth 2"), "{name}");
        let unsigned = Webhook {
            method: Method::POST,
            path_and_query: "/carriers/main/messages".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        };
        assert!(dialect.verify(&unsigned, Timestamp::default()).is_err(), "{name}");
    }
}
