//! The ops door: liveness, readiness and metrics.
//!
//! Invariant: nothing here waits for the engine or the disk, so the door responds even when they are stuck.

use crate::observe::{Metrics, Readiness};
use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::routing::get;
use serde_json::json;

/// The Prometheus text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`, `/healthz` (always 200) and `/readyz` (200, or 503 with the reasons; either with notes on what needs an
/// operator).
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    let routes = Router::new()
        .route("/metrics", get(async move || answer(StatusCode::OK, METRICS, metrics.render())))
        .route(
            "/healthz",
            get(async || answer(StatusCode::OK, "application/json", json!({ "alive": true }).to_string())),
        )
        .route("/readyz", get(async move || ready(&readiness)))
        .fallback(async || {
            problem(StatusCode::NOT_FOUND, "not_found", "no such endpoint; see /metrics, /healthz and /readyz")
        })
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "use GET or HEAD")
        });
    super::without_trailing_slash(routes)
}

fn ready(readiness: &Readiness) -> Response<Body> {
    let reasons: Vec<_> = readiness.reasons().into_iter().map(|reason| reason.label()).collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut document = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    let notes = readiness.notes();
    if !notes.is_empty() {
        document["notes"] = json!(notes);
    }
    answer(status, "application/json", document.to_string())
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    answer(status, "application/problem+json", problem.to_string())
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    // A cached response would report a state that no longer holds.
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::test_gateway::{TestGateway, signed, text};
    use crate::observe::{self, NotReady};
    use axum::http::Request;
    use std::sync::Arc;
    use std::time::Duration;
    use tower::ServiceExt;

    #[tokio::test]
    async fn readyz_is_200_when_no_reason_is_left() {
        let readiness = Readiness::new();
        let (status, body) = ask(&readiness, "GET", "/readyz").await;
        assert_eq!((status, &*body), (503, r#"{"ready":false,"reasons":["starting"]}"#));
        readiness.set(NotReady::Recovering, true);
        readiness.set(NotReady::Starting, false);
        let (status, body) = ask(&readiness, "GET", "/readyz").await;
        assert_eq!((status, &*body), (503, r#"{"ready":false,"reasons":["recovering"]}"#));
        readiness.set(NotReady::Recovering, false);
        let (status, body) = ask(&readiness, "GET", "/readyz").await;
        assert_eq!((status, &*body), (200, r#"{"ready":true,"reasons":[]}"#));
    }

    #[tokio::test]
    async fn f10_the_ops_door_ignores_trailing_slashes() {
        assert_eq!(ask(&Readiness::new(), "GET", "/healthz/").await.0, 200);
        assert_eq!(ask(&Readiness::new(), "GET", "/metrics/").await.0, 200);
    }

    #[tokio::test]
    async fn healthz_is_200_whether_ready_or_not() {
        assert_eq!(ask(&Readiness::new(), "GET", "/healthz").await.0, 200);
        assert_eq!(ask(&Readiness::new(), "HEAD", "/healthz").await, (200, String::new()));
    }

    #[tokio::test]
    async fn metrics_include_recorded_counters() {
        observe::install();
        observe::quarantined("ops-test", "From is missing", 7);
        let (status, body) = ask(&Readiness::new(), "GET", "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.contains("offhook_quarantined_total{account=\"ops-test\"} 1"), "{body}");
    }

    #[tokio::test]
    async fn metrics_show_the_waiting_commands_of_a_stuck_engine() {
        const HELD: Duration = Duration::from_millis(50);
        observe::install();
        let world = Arc::new(TestGateway::new());
        let webhook = |sid: &'static str| {
            let world = Arc::clone(&world);
            let request = signed("/carriers/main/messages", &text(sid, "hello"));
            tokio::spawn(async move { world.webhook(request).await.status })
        };
        let waiting = async || {
            world.handle.observe();
            let (_, body) = ask(&Readiness::new(), "GET", "/metrics").await;
            let of = |name: &str| {
                let line = body.lines().find_map(|line| line.strip_prefix(&format!("{name}{{queue=\"ordinary\"}} ")));
                line.unwrap().parse::<f64>().unwrap()
            };
            (of("offhook_engine_waiting_commands"), of("offhook_engine_oldest_waiting_seconds"))
        };
        world.disk.stall();
        let first = webhook("SM1");
        world.disk.is_stalling().await;
        let others = [webhook("SM2"), webhook("SM3")];
        let both_wait = async {
            while waiting().await.0 < 2.0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), both_wait).await.unwrap();
        tokio::time::sleep(HELD).await;
        let (commands, age) = waiting().await;
        assert!(commands == 2.0 && (HELD.as_secs_f64()..30.0).contains(&age), "{commands} for {age} s");
        world.disk.work();
        for answered in others.into_iter().chain([first]) {
            // On a busy machine these may have got 503.
            answered.await.unwrap();
        }
        assert_eq!(waiting().await, (0.0, 0.0));
    }

    #[tokio::test]
    async fn other_requests_get_a_problem_with_a_code() {
        let (status, body) = ask(&Readiness::new(), "GET", "/elsewhere").await;
        assert!(status == 404 && body.contains(r#""code":"not_found""#), "{body}");
        let (status, body) = ask(&Readiness::new(), "POST", "/readyz").await;
        assert!(status == 405 && body.contains(r#""code":"method_not_allowed""#), "{body}");
    }

    async fn ask(readiness: &Readiness, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router(readiness.clone(), observe::install()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}
