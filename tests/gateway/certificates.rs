//! Certificates: expired, soon to expire, with noise behind them, and those that a command shows.

use crate::process::{TOKEN, offhook, said};
use crate::reload::{Door, for_seconds, write};
use crate::self_signed::SelfSigned;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const DAY: i64 = 24 * 60 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn f27_an_expired_certificate_is_refused_at_reload_and_by_check() {
    let (good, expired) = (SelfSigned::new("localhost"), for_seconds(-60));
    let door = Door::with(&good).await;
    write(&door.world, &expired);
    let said = door.reload("refused").await;
    assert!(said.contains("listen.platform_tls.certificate_file \"door.pem\" expired at "), "{said}");
    assert_eq!(door.says(&door.trusting(&good), TOKEN).await, Some(200), "the old one is still shown");
    let (text, code) = check(&door);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("\"door.pem\" expired at "), "{text}");

    write(&door.world, &SelfSigned::new("localhost"));
    door.reload("taken").await;
    assert_eq!(door.gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f27_a_gateway_starts_with_an_expired_certificate_and_warns() {
    let expired = for_seconds(-60);
    let door = Door::with(&expired).await;
    let log = door.world.home.log();
    let line = log.lines().find(|line| line.contains("\"door.pem\" expired at ")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains("offhook.toml:"), "{line}");
    // Something else can be changed meanwhile.
    assert!(door.reload("taken").await.contains("\"door.pem\" expired at "));
    assert_eq!(door.says(&door.trusting(&expired), TOKEN).await, Some(200), "who looks at no dates is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn f27_noise_after_the_certificates_is_refused_by_check_start_and_reload() {
    let good = SelfSigned::new("localhost");
    let door = Door::with(&good).await;
    let lines = good.certificate.lines().count();
    let broken = good.certificate.replace("-----END CERTIFICATE-----", "");
    let no_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for (noise, place) in [
        ("noise\n", format!("at line {}", lines + 1)),
        (&broken, format!("block 2 at line {}", lines + 1)),
        (no_der, format!("block 2 at line {}", lines + 1)),
    ] {
        door.world.home.write("door.pem", &format!("{}{noise}", good.certificate));
        let reloaded = door.reload("refused").await;
        let (checked, code) = check(&door);
        assert_eq!(code, Some(1), "{checked}");
        let before = door.world.home.log().len();
        let other = door.world.home.start();
        assert_eq!(other.exit().await.code(), Some(78));
        let started = door.world.home.log()[before..].to_owned();
        for said in [reloaded, checked, started] {
            assert!(said.contains("certificate_file \"door.pem\"") && said.contains(&place), "{place}: {said}");
        }
        assert_eq!(door.says(&door.trusting(&good), TOKEN).await, Some(200), "the old one is still shown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_certificate_is_warned_of_for_21_days_and_its_end_is_a_metric() {
    const SERIES: &str = "offhook_certificate_expires_timestamp_seconds{door=\"platform\"} ";
    let door = Door::with(&for_seconds(20 * DAY)).await;
    let ends = async || {
        let metrics = door.gateway.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(SERIES)).unwrap_or_else(|| panic!("{metrics}"));
        line.parse::<f64>().unwrap()
    };
    let (text, code) = check(&door);
    assert_eq!(code, Some(0), "{text}");
    let warning = "warning: listen.platform_tls.certificate_file \"door.pem\" expires at ";
    assert!(text.contains(warning) && text.contains("in 19 days"), "{text}");
    let first = ends().await;

    write(&door.world, &for_seconds(22 * DAY));
    door.reload("taken").await;
    assert!(!check(&door).0.contains(warning));
    let days = (ends().await - first) / DAY as f64;
    assert!((1.9..2.1).contains(&days), "{days}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_warns_of_a_tls_key_that_everybody_may_read() {
    let world = Door::world(&SelfSigned::new("localhost")).await;
    let checked = || said(&offhook(&["check", world.home.path("offhook.toml").to_str().unwrap()]));
    let warning = "listen.platform_tls.key_file \"door.key\" is world-readable: chmod 600 it";
    assert!(!checked().contains(warning));
    fs::set_permissions(world.home.path("door.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(checked().contains(warning), "{}", checked());
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_a_command_shows_a_client_certificate_where_the_door_asks_for_one() {
    let (pair, own) = (SelfSigned::new("localhost"), SelfSigned::new("localhost"));
    let world = Door::world(&pair).await;
    world.home.configure(|text| {
        text.replacen("key_file = \"door.key\"\n", "key_file = \"door.key\"\nclient_ca_file = \"own.pem\"\n", 1)
    });
    let certificate = world.home.write("own.pem", &own.certificate);
    let key = world.home.write("own.key", &own.key);
    let _gateway = world.start().await;
    let config = world.home.path("offhook.toml");
    let (config, certificate, key) = (config.to_str().unwrap(), certificate.to_str().unwrap(), key.to_str().unwrap());
    let replay = ["events", "replay", "--config", config, "--since", "2026-01-01T00:00:00Z"];

    let without = offhook(&replay);
    assert_eq!(without.status.code(), Some(1));
    assert!(said(&without).contains("--client-cert FILE and --client-key FILE"), "{}", said(&without));
    let with = offhook(&[&replay[..], &["--client-cert", certificate, "--client-key", key]].concat());
    assert_eq!(with.status.code(), Some(0), "{}", said(&with));
    let strange = world.home.path("door.pem");
    let strange = [&replay[..], &["--client-cert", strange.to_str().unwrap(), "--client-key", key]].concat();
    let strange = offhook(&strange);
    assert!(said(&strange).contains("do not belong together"), "{}", said(&strange));
}

/// What `check` says, and its exit code.
fn check(door: &Door) -> (String, Option<i32>) {
    let output = offhook(&["check", door.world.home.path("offhook.toml").to_str().unwrap()]);
    (said(&output), output.status.code())
}
