//! Who asks.

use super::{check, shown};
use crate::http::api::Scope;
use crate::http::test_gateway::{TestGateway, anonymous};
use axum::body::Body;
use serde_json::json;

#[tokio::test]
async fn whoever_asks_learns_its_name_scopes_and_whether_it_gets_texts() {
    let world = TestGateway::new();
    for (token, scopes, texts) in
        [("observer", json!(["read"]), true), ("blind", json!(Scope::ALL.map(Scope::label)), false)]
    {
        let request = anonymous("GET", "/v1/me").header("authorization", format!("Bearer {token}"));
        let me = shown(&world.ask(request.body(Body::empty()).unwrap()).await, 200);
        assert_eq!((&me["kind"], &me["name"]), (&json!("token"), &json!(token)));
        assert_eq!((&me["scopes"], &me["texts"]), (&scopes, &json!(texts)));
        assert_eq!((&me["build"], &me["demo"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(false)));
        assert_eq!(me["languages"], json!(["en", "it"]));
    }
    check(&world.ask(anonymous("GET", "/v1/me").body(Body::empty()).unwrap()).await, 401, "unauthorized");
}
