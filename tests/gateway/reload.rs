//! G32, G33: a gateway that runs takes over another configuration on SIGHUP, all of it or nothing.

use crate::process::{Gateway, Outside, SOON, TOKEN, binary, quiet, skipped};
use crate::self_signed::SelfSigned;
use crate::shared::{OURS, on_the_phone, world};
use bytes::Bytes;
use http::Request;
use offhook::net::{Answer, Client, ClientBounds, ServerTls, TlsFiles};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The platform's door with TLS, and what is in its files.
pub(crate) struct Door {
    pub(crate) world: Outside,
    pub(crate) gateway: Gateway,
}

/// A certificate that holds until so many seconds after now; before now where they are negative.
pub(crate) fn for_seconds(seconds: i64) -> SelfSigned {
    let (now, span) = (SystemTime::now(), Duration::from_secs(seconds.unsigned_abs()));
    SelfSigned::until("localhost", if seconds < 0 { now - span } else { now + span })
}

impl Door {
    pub(crate) async fn with(pair: &SelfSigned) -> Self {
        let world = Self::world(pair).await;
        let gateway = world.start().await;
        Self { world, gateway }
    }

    /// The same, before its gateway has started.
    pub(crate) async fn world(pair: &SelfSigned) -> Outside {
        let world = world().await;
        world.home.configure(|text| {
            let tls = "[listen.platform_tls]\ncertificate_file = \"door.pem\"\nkey_file = \"door.key\"\n";
            text.replacen("[[platform.token]]", &format!("{tls}[[platform.token]]"), 1)
        });
        write(&world, pair);
        world
    }

    /// Somebody who trusts this certificate and no other, at a new connection.
    pub(crate) fn trusting(&self, pair: &SelfSigned) -> Client {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let files = TlsFiles {
            certificate_file: at("pem", &pair.certificate),
            key_file: at("key", &pair.key),
            client_ca_file: None,
        };
        Client::with_tls(ClientBounds::default(), ServerTls::load(&files).unwrap().client(None).unwrap())
    }

    /// What the door says to this token; nothing where it is not the door that is trusted.
    pub(crate) async fn says(&self, client: &Client, token: &str) -> Option<u16> {
        let url = format!("https://{}/v1/settings", self.world.home.doors.platform);
        let request = Request::get(url).header("authorization", format!("Bearer {token}")).body(Bytes::new()).unwrap();
        client.send(request).await.ok().map(|Answer { status, .. }| status.as_u16())
    }

    pub(crate) async fn reload(&self, outcome: &str) -> String {
        reload(&self.world, &self.gateway, outcome).await
    }
}

pub(crate) fn write(world: &Outside, pair: &SelfSigned) {
    world.home.write("door.pem", &pair.certificate);
    world.home.write("door.key", &pair.key);
}

/// SIGHUP; returns what was said about it once it is counted as this.
async fn reload(world: &Outside, gateway: &Gateway, outcome: &str) -> String {
    let (before, log) = (reloads(gateway).await, world.home.log().len());
    gateway.signal("HUP");
    let until = Instant::now() + SOON;
    loop {
        let [taken, refused] = reloads(gateway).await;
        if [taken, refused] != before {
            let said = world.home.log()[log..].to_owned();
            let expected = if outcome == "taken" { [before[0] + 1, before[1]] } else { [before[0], before[1] + 1] };
            assert_eq!([taken, refused], expected, "{said}");
            return said;
        }
        assert!(Instant::now() < until, "nothing was reloaded:\n{}", world.home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How many were taken, and how many refused.
async fn reloads(gateway: &Gateway) -> [u64; 2] {
    let metrics = gateway.metrics().await;
    ["taken", "refused"].map(|outcome| {
        let name = format!("offhook_reloads_total{{outcome=\"{outcome}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name} in:\n{metrics}")).parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn g32_a_reload_replaces_the_certificate_and_open_connections_go_on() {
    let (first, second) = (SelfSigned::new("localhost"), SelfSigned::new("localhost"));
    let door = Door::with(&first).await;
    let open = door.trusting(&first);
    assert_eq!(door.says(&open, TOKEN).await, Some(200));
    assert_eq!(door.says(&door.trusting(&second), TOKEN).await, None);

    write(&door.world, &second);
    let said = door.reload("taken").await;
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    assert_eq!(door.says(&door.trusting(&second), TOKEN).await, Some(200));
    assert_eq!(door.says(&door.trusting(&first), TOKEN).await, None);
    assert_eq!(door.says(&open, TOKEN).await, Some(200), "at the connection that it has had all along");
    assert_eq!(door.gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn g32_g33_what_is_wrong_is_named_by_key_and_line_and_everything_stays_as_it_was() {
    const OTHER: &str = "heron-token-4c1d9b7e6a5f3028";
    let (pair, other) = (SelfSigned::new("localhost"), SelfSigned::new("localhost"));
    let door = Door::with(&pair).await;
    let home = &door.world.home;
    let good = fs::read_to_string(home.path("offhook.toml")).unwrap();
    let half = &pair.certificate[..pair.certificate.len() / 2];
    let no_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let toml = |from: &str, to: &str| ("offhook.toml", good.replacen(from, to, 1));
    let certificate = "listen.platform_tls.certificate_file \"door.pem\" holds no CERTIFICATE";
    let cut_off = "listen.platform_tls.certificate_file \"door.pem\" is truncated: block 1 at line 1";
    let no_certificate = "listen.platform_tls.certificate_file \"door.pem\" holds an invalid CERTIFICATE: block 1";
    let together = "listen.platform_tls.key_file \"door.key\" and \"door.pem\"";
    let mutations = [
        (("door.pem", String::new()), certificate),
        (("door.pem", half.to_owned()), cut_off),
        (("door.pem", pair.key.clone()), certificate),
        (("door.pem", no_der.to_owned()), no_certificate),
        (("door.pem", other.certificate.clone()), together),
        (("door.key", other.key.clone()), together),
        (("door.key", "nothing".to_owned()), "listen.platform_tls.key_file \"door.key\" holds no PRIVATE KEY"),
        (("webhook", "whsec_short".to_owned()), "secret_files has a key that is not whsec_"),
        (("twilio", String::new()), "auth_token_files \"twilio\" is empty"),
        (toml("door.pem", "elsewhere.pem"), "listen.platform_tls.certificate_file \"elsewhere.pem\" cannot be read"),
        (toml("\"send\", ", "\"sned\", "), "scopes names \"sned\""),
        (toml("data_dir", "data_dri"), "data_dri is an unknown key"),
        (toml("[listen]", "[listen"), "invalid TOML"),
        (toml("account_sid = \"AC", "account_sid = \"AX"), "account_sid is invalid"),
    ];
    let trusting = door.trusting(&pair);
    for ((file, text), expected) in &mutations {
        let before = fs::read_to_string(home.path(file)).unwrap();
        // Something else that is right changes with it, and is not taken either.
        home.write("adapter", OTHER);
        home.write(file, text);
        let said = door.reload("refused").await;
        let line =
            said.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("no {expected} in:\n{said}"));
        assert!(line.contains("ERROR") && place(line, &home.path("offhook.toml")), "{line}");
        assert!(said.contains("the previous one stays in use"), "{said}");
        assert!(!said.contains(OTHER) && !said.contains("whsec_short"), "{said}");
        assert_eq!(door.says(&door.trusting(&pair), TOKEN).await, Some(200), "{expected}");
        assert_eq!(door.says(&trusting, OTHER).await, Some(401), "{expected}");
        home.write(file, &before);
        home.write("adapter", TOKEN);
    }
    home.write("adapter", OTHER);
    door.reload("taken").await;
    assert_eq!(door.says(&trusting, OTHER).await, Some(200), "what is right again is taken");
    assert_eq!(door.says(&trusting, TOKEN).await, Some(401));
}

/// Whether the line names the file, a line and a column.
fn place(line: &str, file: &Path) -> bool {
    let rest = line.split_once(&format!("{}:", file.display())).map(|(_, rest)| rest);
    let mut numbers = rest.unwrap_or_default().splitn(3, ':').map(str::parse::<usize>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(1..)), Some(Ok(1..))))
}

#[tokio::test(flavor = "multi_thread")]
async fn g33_a_reload_replaces_secrets_and_names_what_needs_a_restart() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let accepted = async || phone.text(OURS.parse().unwrap(), &phone.marked("hello")).await.acknowledged();
    assert!(accepted().await);

    let right = fs::read_to_string(world.home.path("twilio")).unwrap();
    world.home.write("twilio", "ffffffffffffffffffffffffffffffff");
    reload(&world, &gateway, "taken").await;
    assert!(!accepted().await, "signed with the removed token");
    let soon = jiff::Timestamp::now() + Duration::from_secs(3_600);
    let only_reported = format!("report_only_until = {soon:.0}\nauth_token_files");
    world.home.configure(|text| text.replacen("auth_token_files", &only_reported, 1));
    reload(&world, &gateway, "taken").await;
    assert!(accepted().await, "bad signatures are only reported");
    world.home.configure(|text| text.replacen(&only_reported, "auth_token_files", 1));
    reload(&world, &gateway, "taken").await;
    assert!(!accepted().await, "they are refused again");
    world.home.write("twilio.next", &right);
    world.home.configure(|text| text.replacen("[\"twilio\"]", "[\"twilio\", \"twilio.next\"]", 1));
    reload(&world, &gateway, "taken").await;
    assert!(accepted().await, "either of two may have signed");

    // The platform does not know this key, and says so; once the right one signs too it takes what waits.
    let key = fs::read_to_string(world.home.path("webhook")).unwrap();
    world.home.write("webhook", &format!("whsec_{}=", "A".repeat(43)));
    reload(&world, &gateway, "taken").await;
    assert!(accepted().await);
    let until = Instant::now() + SOON;
    while world.platform.record().refused.is_empty() {
        assert!(Instant::now() < until, "events are still signed with the removed key");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.home.write("webhook", &key);
    reload(&world, &gateway, "taken").await;
    let received = |event: &offhook::sim::platform::Delivery| event.kind == "message.received";
    world.platform.wait_for_all(4, SOON, received).await.unwrap();

    world.home.configure(|text| {
        let text = text.replacen("console = \"127.0.0.1:0\"", "console = \"127.0.0.1:9\"", 1);
        let text = text.replacen("data_dir = \"data\"", "data_dir = \"other\"", 1);
        format!("{text}\n[storage]\nlow_water_bytes = 1\n[retention]\nevents_max_age_days = 1\n")
    });
    let said = reload(&world, &gateway, "taken").await;
    // Media are kept below data_dir unless another place is named.
    for key in ["data_dir", "listen.console", "media", "retention", "storage"] {
        let warning = format!("{key} changed; takes effect after a restart");
        assert!(said.contains(&warning), "{warning} is not in:\n{said}");
    }
    assert_eq!(said.matches("takes effect after a restart").count(), 5, "{said}");
    assert!(accepted().await && !world.home.path("other").exists());
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_reload_that_would_leave_no_token_or_no_account_is_refused() {
    let world = world().await;
    let gateway = world.start().await;
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    let cut = |at: &str| good[..good.find(at).unwrap()].to_owned();
    for (text, gone) in [
        (String::new(), "[[platform.token]]"),
        (cut("[[platform.token]]"), "[[platform.token]]"),
        (cut("[[platform.webhook]]"), "[[account]]"),
        (cut("[[account]]"), "[[account]]"),
    ] {
        world.home.write("offhook.toml", &text);
        let said = reload(&world, &gateway, "refused").await;
        let why = format!("offhook.toml: there is no {gone}, but the gateway was started with one");
        assert!(said.contains(&why), "{why} is not in:\n{said}");
        assert_ne!(world.client.call("no-such-call").await.unwrap().status, 401);
    }
    world.home.write("offhook.toml", &good);
    reload(&world, &gateway, "taken").await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_sighup_in_the_first_moments_of_a_start_is_a_reload() {
    let world = world().await;
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !traced.is_ok_and(|status| status.success()) {
        return skipped("SIGHUP during a start: strace is missing or may not trace");
    }
    // The first of these is where the log looks whether a terminal shows it, and comes before the doors and the disk.
    let signal = ["-e", "trace=ioctl", "-e", "inject=ioctl:signal=HUP:when=1"];
    let mut strace = Command::new("strace");
    quiet(&mut strace).args(["-D", "-qq", "-o"]).arg(world.home.path("traced")).args(signal).arg(binary());
    let mut gateway = world.home.start_by(strace, &world.home.path("offhook.toml"));
    let ended = gateway.ready_or_ended().await;
    assert_eq!(ended, None, "{}", world.home.log());
    world.home.says("configuration reloaded").await;
    let traced = fs::read_to_string(world.home.path("traced")).unwrap();
    assert!(traced.contains("SIGHUP"), "{traced}");
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn g33_a_thousand_reloads_at_once_harm_nothing() {
    const SIGNALS: usize = 1_000;
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let storm = format!("i=0; while [ $i -lt {SIGNALS} ]; do kill -HUP {} || exit 1; i=$((i+1)); done", gateway.id());
    let storm = tokio::task::spawn_blocking(move || std::process::Command::new("sh").arg("-c").arg(storm).status());
    for nth in 0..20 {
        assert!(phone.text(OURS.parse().unwrap(), &phone.marked("hello")).await.acknowledged());
        let sent = world.client.send_text(&caller.call, &format!("number {nth}"), "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.json);
    }
    assert!(storm.await.unwrap().unwrap().success(), "it runs to the last of them");
    // The last of them is heeded, whatever became of those before it.
    world.home.write("adapter", "heron-token-4c1d9b7e6a5f3028");
    gateway.signal("HUP");
    let until = Instant::now() + SOON;
    while world.client.call(&caller.call).await.unwrap().status != 401 {
        assert!(Instant::now() < until, "{}", world.home.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let [taken, refused] = reloads(&gateway).await;
    println!("{SIGNALS} signals were {taken} reloads");
    assert_eq!(refused, 0, "{}", world.home.log());
    phone.wait_for(20, SOON).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", world.home.log());
}
