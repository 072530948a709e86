//! The console's door: who is let in, with which scopes, and what leaves it. Each test has a gateway of its own.

use crate::media;
use crate::process::{Gateway, Outside, SOON, binary, offhook, quiet, said, wire};
use crate::shared::{OURS, on_the_phone, world};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const PASSWORD: &str = "correct horse battery";

/// What every answer but media carries.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; \
                   connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
                   require-trusted-types-for 'script'; trusted-types lit-html";

/// The console of a gateway with two people.
struct Console {
    world: Outside,
    gateway: Gateway,
    at: SocketAddr,
}

/// A signed-in browser.
struct Browser {
    at: SocketAddr,
    cookie: String,
    key: String,
}

/// What `offhook console password` prints for a password on its input.
fn hashed(password: &str) -> String {
    let mut command = Command::new(binary());
    let command = quiet(&mut command).args(["console", "password", "anna"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn console() -> Console {
    let world = world().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    world.home.write("anna", &hashed(PASSWORD));
    world.home.configure(|text| {
        text.replace("console = \"127.0.0.1:0\"", &format!("console = \"{at}\""))
            + "\n[console]\n[[console.person]]\nname = \"anna\"\nscopes = [\"read\", \"admin\", \"send\"]\npassword_file = \
               \"anna\"\n[[console.person]]\nname = \"bruno\"\nscopes = [\"read\"]\ntexts = false\n"
    });
    let gateway = world.start().await;
    Console { world, gateway, at }
}

fn json_of(answer: &wire::Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_default()
}

fn code(answer: &wire::Answer) -> String {
    json_of(answer)["code"].as_str().unwrap_or_default().to_owned()
}

/// A header's value.
fn header(answer: &wire::Answer, name: &str) -> Option<String> {
    answer.head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

impl Console {
    /// Asks as a page of the console does.
    async fn ask(&self, method: &str, path: &str, head: &[&str], body: &Value) -> wire::Answer {
        let head = [&["Sec-Fetch-Site: same-origin", "Content-Type: application/json"], head].concat();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        wire::ask(self.at, method, path, &head, body.as_bytes()).await.unwrap()
    }

    async fn sign_in(&self, proof: Value) -> Browser {
        let answer = self.ask("POST", "/session", &[], &proof).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = header(&answer, "set-cookie").unwrap();
        assert!(cookie.starts_with(&format!("offhook-{}=", self.at.port())), "{cookie}");
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        let key = json_of(&answer)["key"].as_str().unwrap().to_owned();
        Browser { at: self.at, cookie: cookie.split(';').next().unwrap().to_owned(), key }
    }

    async fn anna(&self) -> Browser {
        self.sign_in(json!({ "name": "anna", "password": PASSWORD })).await
    }

    /// What `offhook console link` prints, without the words around it.
    fn link(&self, arguments: &[&str]) -> String {
        let config = self.world.home.path("offhook.toml");
        let output = offhook(&[&["console", "link", "--config", config.to_str().unwrap()], arguments].concat());
        assert!(output.status.success(), "{}", said(&output));
        let url = said(&output).lines().next().unwrap().to_owned();
        let (page, secret) = url.split_once("#k=").unwrap();
        assert_eq!(page, format!("http://{}/sign-in", self.at));
        secret.to_owned()
    }

    async fn audit(&self, action: &str) -> Vec<Value> {
        let items = crate::operate::get(&self.world, "/v1/audit").await.json["items"].clone();
        items.as_array().unwrap().iter().filter(|entry| entry["action"] == action).cloned().collect()
    }

    /// The entries of the audit for this action, once there are so many.
    async fn audited(&self, action: &str, count: usize) -> Vec<Value> {
        let until = std::time::Instant::now() + SOON;
        loop {
            let entries = self.audit(action).await;
            if entries.len() >= count {
                return entries;
            }
            assert!(std::time::Instant::now() < until, "{action}: {entries:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Browser {
    async fn ask(&self, method: &str, path: &str, body: &Value) -> wire::Answer {
        let (cookie, key) = (format!("Cookie: {}", self.cookie), format!("X-Offhook-Key: {}", self.key));
        let head = ["Sec-Fetch-Site: same-origin", "Content-Type: application/json", &cookie, &key];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        wire::ask(self.at, method, path, &head, body.as_bytes()).await.unwrap()
    }

    async fn get(&self, path: &str) -> wire::Answer {
        self.ask("GET", path, &Value::Null).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_works_with_the_scopes_of_the_configuration() {
    let console = console().await;
    let anna = console.anna().await;
    let me = json_of(&anna.get("/v1/me").await);
    assert_eq!((&me["kind"], &me["name"], &me["texts"]), (&json!("person"), &json!("anna"), &json!(true)));
    let number = anna.get(&format!("/v1/numbers/{OURS}")).await;
    let etag = header(&number, "etag").unwrap();
    let mut body = json_of(&number);
    body["label"] = json!("Front desk");
    let (cookie, key) = (format!("Cookie: {}", anna.cookie), format!("X-Offhook-Key: {}", anna.key));
    let head = [&*cookie, &*key, &format!("If-Match: {etag}")];
    let put = console.ask("PUT", &format!("/v1/numbers/{OURS}"), &head, &body).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let change = console.audited("change", 1).await.remove(0);
    assert_eq!((&change["actor"], &change["address"]), (&json!("anna"), &json!("127.0.0.1")), "{change}");
    let signed = console.audited("sign_in", 1).await.remove(0);
    assert_eq!((&signed["actor"], &signed["address"]), (&json!("anna"), &json!("127.0.0.1")), "{signed}");

    let bruno = console.sign_in(json!({ "link": console.link(&["--as", "bruno"]) })).await;
    let refused = bruno.ask("PUT", &format!("/v1/numbers/{OURS}"), &body).await;
    assert_eq!((refused.status, code(&refused)), (403, "scope_missing".to_owned()));
    assert_eq!(json_of(&bruno.get("/v1/me").await)["texts"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_transcript_is_audited_with_person_and_address() {
    let console = console().await;
    let caller = on_the_phone(&console.world).await;
    let anna = console.anna().await;
    assert_eq!(anna.get(&format!("/v1/calls/{}/messages", caller.call)).await.status, 200);
    let read = console.audited("read_texts", 1).await.remove(0);
    assert_eq!(read["resource"], format!("calls/{}", caller.call));
    // What is refused is not read; an address may end in a slash, and an id is named as it is.
    assert_eq!(anna.get("/v1/calls/nowhere/messages").await.status, 404);
    let body = json!({ "caller": "+14155550177", "queue": "support", "agent": "a-1" });
    assert_eq!(console.world.client.put_call("a:b", &body).await.unwrap().status, 201);
    assert_eq!(anna.get("/v1/calls/a%3Ab/messages/").await.status, 200);
    let read_now = console.audited("read_texts", 2).await;
    let resources: Vec<_> = read_now.iter().map(|entry| entry["resource"].as_str().unwrap()).collect();
    assert_eq!(resources, ["calls/a:b", &format!("calls/{}", caller.call)]);
    let by_name = crate::operate::get(&console.world, "/v1/audit?actor=anna&resource=calls/a:b").await;
    assert_eq!(by_name.json["items"].as_array().map(Vec::len), Some(1), "{}", by_name.json);
    assert_eq!((&read["actor"], &read["address"]), (&json!("anna"), &json!("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_consoles_own_page_with_a_session_is_refused_in_order() {
    let console = console().await;
    let anna = console.anna().await;
    let (cookie, key) = (format!("Cookie: {}", anna.cookie), format!("X-Offhook-Key: {}", anna.key));
    let (cookie, key) = (&*cookie, &*key);
    const OWN: &str = "Sec-Fetch-Site: same-origin";
    const JSON: &str = "Content-Type: application/json";
    let token = format!("Authorization: Bearer {}", crate::process::TOKEN);
    let own_origin = format!("Origin: http://{}", console.at);
    for (method, head, expected) in [
        ("GET", &["Sec-Fetch-Site: same-site", cookie, key][..], (403, "foreign_origin")),
        ("GET", &["Sec-Fetch-Site: cross-site", cookie, key], (403, "foreign_origin")),
        ("GET", &["Origin: http://127.0.0.1:1", cookie, key], (403, "foreign_origin")),
        ("PUT", &[cookie, key, JSON], (403, "foreign_origin")),
        ("GET", &[OWN, cookie], (401, "unauthorized")),
        ("GET", &[OWN, key], (401, "unauthorized")),
        ("GET", &[OWN, &token], (401, "unauthorized")),
        ("GET", &[OWN, cookie, "X-Offhook-Key: 00"], (401, "unauthorized")),
        ("GET", &[OWN, cookie, cookie, key], (401, "unauthorized")),
        ("GET", &[&own_origin, cookie, key], (200, "")),
        ("GET", &[cookie, key], (200, "")),
        ("PUT", &[OWN, cookie, key, "Content-Type: text/plain"], (415, "unsupported_media_type")),
    ] {
        let body: &[u8] = if method == "PUT" { b"{}" } else { b"" };
        let answer = wire::ask(console.at, method, "/v1/settings", head, body).await.unwrap();
        assert_eq!((answer.status, &*code(&answer)), expected, "{head:?}: {}", answer.body);
    }
    let ours = format!("Host: {}\r\n", console.at);
    for host in ["Host: evil.test\r\n", "Host: 127.0.0.1\r\n", "", &format!("{ours}{ours}")] {
        let bytes = format!("GET /v1/me HTTP/1.1\r\n{host}{cookie}\r\n{key}\r\nConnection: close\r\n\r\n");
        let heard = wire::tell(console.at, bytes.as_bytes()).await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 421 ") && heard.contains("console.public_url"), "{host}: {heard}");
        assert!(heard.contains(CSP), "{host}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_errors_and_pages_included() {
    let console = console().await;
    let anna = console.anna().await;
    let answers = [
        console.ask("GET", "/", &[], &Value::Null).await,
        console.ask("GET", "/calls/c-1", &[], &Value::Null).await,
        console.ask("GET", "/assets/0/look.css", &[], &Value::Null).await,
        console.ask("POST", "/calls", &[], &Value::Null).await,
        console.ask("POST", "/session", &[], &json!({})).await,
        console.ask("GET", "/session", &[], &Value::Null).await,
        console.ask("GET", "/demo/phones", &[], &Value::Null).await,
        anna.get("/v1/settings").await,
        anna.get("/v1/nowhere").await,
        anna.get("/demo/phones").await,
        anna.get("/session").await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 404, 405, 400, 401, 401, 200, 404, 404, 200]);
    for answer in &answers {
        assert_eq!(header(answer, "content-security-policy").as_deref(), Some(CSP), "{}", answer.head);
        assert_eq!(header(answer, "x-content-type-options").as_deref(), Some("nosniff"), "{}", answer.head);
        assert_eq!(header(answer, "cache-control").as_deref(), Some("no-store"), "{}", answer.head);
        assert_eq!(header(answer, "www-authenticate"), None);
        assert!(!answer.head.to_ascii_lowercase().contains("access-control-"), "{}", answer.head);
    }
    let page = &answers[0].body;
    let asset = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with("look.css")).unwrap();
    let sheet = console.ask("GET", asset, &["Accept-Encoding: gzip"], &Value::Null).await;
    assert_eq!(header(&sheet, "content-encoding").as_deref(), Some("gzip"));
    assert!(header(&sheet, "cache-control").unwrap().contains("immutable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_platform_has_the_headers_with_and_without_a_session() {
    let console = console().await;
    let anna = console.anna().await;
    let document: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/v1/"));
    let mut walked = 0;
    for (path, methods) in paths {
        let path = path.replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()) {
            let without = console.ask(&method, &path, &[], &Value::Null).await;
            assert_eq!(without.status, 401, "{method} {path}: {}", without.body);
            for answer in [without, anna.ask(&method, &path, &json!({})).await] {
                let csp = header(&answer, "content-security-policy");
                assert_eq!(csp.as_deref(), Some(CSP), "{method} {path}: {}", answer.head);
                assert_eq!(header(&answer, "cache-control").as_deref(), Some("no-store"), "{method} {path}");
            }
            walked += 1;
        }
    }
    assert!(walked >= 60, "{walked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_a_wrong_name_reads_like_a_wrong_password() {
    let console = console().await;
    let mut bodies = Vec::new();
    for nth in 0..5 {
        let name = if nth % 2 == 0 { "anna" } else { "nobody" };
        let answer = console.ask("POST", "/session", &[], &json!({ "name": name, "password": "guess" })).await;
        assert_eq!(answer.status, 401);
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // One more is free each ten seconds, which a slow machine may need for those before.
    let mut tries = 5;
    let slowed = loop {
        let answer = console.ask("POST", "/session", &[], &json!({ "name": "anna", "password": "guess" })).await;
        if answer.status != 401 {
            break answer;
        }
        tries += 1;
        assert!(tries < 30, "it is never slowed");
    };
    assert_eq!((slowed.status, code(&slowed)), (429, "too_many_attempts".to_owned()));
    let wait: u64 = header(&slowed, "retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let refused = console.audited("refuse_sign_in", 5).await;
    assert!(refused.iter().all(|entry| entry["address"] == "127.0.0.1"), "{refused:?}");
    let metrics = console.gateway.metrics().await;
    assert!(metrics.contains(&format!("offhook_console_sign_ins_total{{outcome=\"refused\"}} {tries}")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_a_kill_and_end_by_sign_out_or_a_changed_person() {
    let mut console = console().await;
    let (one, other) = (console.anna().await, console.anna().await);
    console.gateway.kill();
    console.gateway = console.world.start().await;
    assert_eq!(one.get("/v1/me").await.status, 200, "a restart signs nobody out");
    let own = json_of(&one.get("/session").await)["items"].clone();
    assert_eq!(own.as_array().unwrap().len(), 2, "{own}");
    let id = own.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap()["id"].clone();
    let ended = one.ask("DELETE", &format!("/session/{}", id.as_str().unwrap()), &Value::Null).await;
    assert_eq!((ended.status, other.get("/v1/me").await.status), (200, 401), "{}", ended.body);

    let third = console.anna().await;
    assert_eq!(third.ask("DELETE", "/session", &Value::Null).await.status, 200);
    assert_eq!((third.get("/v1/me").await.status, one.get("/v1/me").await.status), (401, 200));

    console.world.home.write("anna", &hashed("another password of hers"));
    let reloaded = offhook(&["reload", &console.gateway.id().to_string()]);
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    console.world.home.says("configuration reloaded").await;
    assert_eq!(one.get("/v1/me").await.status, 401);
    let secrets = std::fs::read_to_string(console.world.home.data().join("console/sessions")).unwrap();
    assert!(!secrets.contains(&one.key) && !secrets.contains(one.cookie.split('=').nth(1).unwrap()), "{secrets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_sign_in_is_said_by_field() {
    let console = console().await;
    let whole = json!({ "name": "anna", "password": PASSWORD });
    let with = |name: &str, value: Value| {
        let mut body = whole.clone();
        body[name] = value;
        body
    };
    for (body, expected) in [
        (with("nmae", json!("anna")), (400, "unknown_field")),
        (json!({ "name": "anna" }), (400, "invalid_field")),
        (with("password", json!(1)), (400, "invalid_field")),
        (with("link", json!("x")), (400, "invalid_field")),
        (with("name", json!("x".repeat(70_000))), (413, "body_too_large")),
    ] {
        let answer = console.ask("POST", "/session", &[], &body).await;
        assert_eq!((answer.status, &*code(&answer)), expected, "{}", answer.body);
    }
    // None of them was a guess, and an address may end in a slash.
    let signed_in = console.ask("POST", "/session/", &[], &whole).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_cannot_be_written_is_503_and_its_link_stays() {
    let console = console().await;
    let anna = console.anna().await;
    let in_the_way = console.world.home.data().join("console/sessions.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let link = json!({ "link": console.link(&["--as", "anna"]) });
    let refused = console.ask("POST", "/session", &[], &link).await;
    assert_eq!((refused.status, code(&refused)), (503, "storage_unavailable".to_owned()), "{}", refused.body);
    std::fs::remove_dir(&in_the_way).unwrap();
    console.sign_in(link).await;
    let sessions = json_of(&anna.get("/session").await);
    assert_eq!((sessions["items"].as_array().map(Vec::len), &sessions["next_cursor"]), (Some(2), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_link_to_a_photo_opens_at_the_console_without_a_session() {
    let console = console().await;
    let caller = on_the_phone(&console.world).await;
    let photo = media::file(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", 9_000);
    let sent = vec![media::medium("image/jpeg", &photo)];
    assert!(console.world.carrier.phone(caller.number).media(OURS.parse().unwrap(), "", sent).await.acknowledged());
    media::media_events(&console.world, &caller, 1).await;
    let id = media::text(&media::of_transcript(&console.world, &caller).await[0]["id"]);
    let made = crate::shared::api(&console.world, "POST", &format!("/v1/media/{id}/link"), b"{}").await;
    let url = json_of(&made)["url"].as_str().unwrap().to_owned();
    // As from a mail: another site, and neither cookie nor key.
    let opened = wire::ask(console.at, "GET", &url, &["Sec-Fetch-Site: cross-site"], b"").await.unwrap();
    assert!(opened.status == 200 && opened.bytes == *photo, "{}", opened.head);
    assert!(header(&opened, "content-security-policy").unwrap().contains("sandbox"), "{}", opened.head);
    let forged = url.replace("signature=", "signature=0");
    let refused = wire::ask(console.at, "GET", &forged, &["Sec-Fetch-Site: cross-site"], b"").await.unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "link_invalid".to_owned()));
    let (path, _) = url.split_once('?').unwrap();
    let plain = console.ask("GET", path, &[], &Value::Null).await;
    assert_eq!((plain.status, code(&plain)), (401, "unauthorized".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once() {
    let console = console().await;
    let secret = console.link(&["--as", "anna"]);
    console.sign_in(json!({ "link": secret })).await;
    let again = console.ask("POST", "/session", &[], &json!({ "link": secret })).await;
    assert_eq!((again.status, code(&again)), (401, "unauthorized".to_owned()));
    let anna = console.anna().await;
    let of_bruno = anna.ask("POST", "/v1/console/links", &json!({ "as": "bruno" })).await;
    assert_eq!((of_bruno.status, code(&of_bruno)), (404, "not_found".to_owned()), "nobody becomes somebody else");
    let config = console.world.home.path("offhook.toml");
    let unnamed = offhook(&["console", "link", "--config", config.to_str().unwrap()]);
    assert_eq!(unnamed.status.code(), Some(1));
    assert!(said(&unnamed).contains("name one of anna, bruno"), "{}", said(&unnamed));
}
