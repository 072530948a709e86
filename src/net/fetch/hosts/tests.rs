//! Every way to write a URL that leads elsewhere.

use super::*;
use ForbiddenAddress::*;

#[test]
fn a_listed_host_is_reached_by_https_at_its_port() {
    for good in [
        "https://api.carrier.example/m",
        "https://api.carrier.example",
        "https://api.carrier.example:443/m",
        "HTTPS://API.Carrier.Example/m",
        "https://api.carrier.example/m?a=https://evil.example/&b=@#f",
        "https://api.carrier.example/a:b@c",
        "https://mms.cdn.example/AC1/x",
        "https://a.b.cdn.example/",
    ] {
        assert!(listed().check(good).is_ok(), "{good}: {:?}", listed().check(good));
    }
}

#[test]
fn the_target_the_host_and_the_port_are_those_of_the_url() {
    let checked = listed().check("https://API.carrier.example:443/m?a=1#f").unwrap();
    let parts = (checked.authority(), checked.port(), checked.target(), checked.is_https(), checked.public_only());
    assert_eq!(parts, ("api.carrier.example".to_owned(), 443, "/m?a=1", true, true));
    assert_eq!(format!("{checked:?}"), "Checked(https://api.carrier.example/…)");
    let checked = origin("http://127.0.0.1:9100").check("http://127.0.0.1:9100").unwrap();
    let parts = (checked.authority(), checked.port(), checked.target(), checked.is_https(), checked.public_only());
    assert_eq!(parts, ("127.0.0.1:9100".to_owned(), 9100, "/", false, false));
}

#[test]
fn a_url_of_another_scheme_is_forbidden() {
    for bad in [
        "http://api.carrier.example/m",
        "ftp://api.carrier.example/m",
        "file:///etc/passwd",
        "file://api.carrier.example/etc/passwd",
        "ws://api.carrier.example/m",
        "gopher://api.carrier.example/m",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "blob:https://api.carrier.example/m",
        "api.carrier.example:443/m",
    ] {
        forbidden(bad, Scheme);
    }
}

#[test]
fn a_url_that_can_be_read_in_two_ways_is_forbidden() {
    for bad in [
        "https://api.carrier.example@evil.example/m",
        "https://api.carrier.example:443@evil.example/m",
        "https://user@api.carrier.example/m",
        "https://user:password@api.carrier.example/m",
        "https://@api.carrier.example/m",
        "https://:@api.carrier.example/m",
        "https://evil.example%2f@api.carrier.example/m",
        "https://api.carrier.example:/m",
        "https://api.carrier.example:0443/m",
        "https://api.carrier%2Eexample/m",
        "https://%61pi.carrier.example/m",
        "https:api.carrier.example/m",
        "https:/api.carrier.example/m",
        "https:///api.carrier.example/m",
    ] {
        forbidden(bad, Ambiguous);
    }
}

#[test]
fn a_url_that_cannot_be_read_is_forbidden() {
    for bad in [
        "",
        "m",
        "/m",
        "//api.carrier.example/m",
        "https://",
        "https://api.carrier.example:65536/m",
        "https://api.carrier.example:x/m",
        "https://api.carrier.example /m",
        " https://api.carrier.example/m",
        "https://api.carrier.example/m\n",
        "https://api.carrier.example/m\r\nhost: evil.example",
        "https://api.carrier.example\t/m",
        "https://api.carrier.example\0/m",
        "https:\\\\api.carrier.example/m",
        "https://api.carrier.example\\@evil.example/m",
        "https://evil.example\\@api.carrier.example/m",
        "https://evil.example\\.api.carrier.example/m",
        "https://api.carrier.example\u{3002}evil.example/m",
        "https://\u{2460}\u{2461}7.0.0.1/m",
        "https://api.carrier.example/\u{e9}",
        "https://[::1/m",
        "https://[api.carrier.example]/m",
        "https://256.256.256.256/m",
    ] {
        forbidden(bad, Unreadable);
    }
    forbidden(&format!("https://api.carrier.example/{}", "a".repeat(URL_MAX_BYTES)), Unreadable);
}

#[test]
fn an_address_is_forbidden_in_every_spelling() {
    for bad in ["https://127.0.0.1/m", "https://169.254.169.254/latest", "https://8.8.8.8/m", "https://[::1]/m"] {
        forbidden(bad, Literal);
    }
    for bad in ["https://[::ffff:a9fe:a9fe]/", "https://[2606:2800::1]/", "https://[64:ff9b::7f00:1]/"] {
        forbidden(bad, Literal);
    }
    for bad in [
        "https://2130706433/m",
        "https://0x7f000001/m",
        "https://0x7f.1/m",
        "https://0177.0.0.1/m",
        "https://017700000001/m",
        "https://127.1/m",
        "https://127.0.1/m",
        "https://0/m",
        "https://127.0.0.1./m",
        "https://0x7f.0x0.0x0.0x1/m",
        "https://2852039166/latest",
        "https://%31%32%37.0.0.1/m",
        "https://[::ffff:127.0.0.1]/m",
        "https://[::ffff:169.254.169.254]/m",
        "https://[0:0:0:0:0:0:0:1]/m",
        "https://[::127.0.0.1]/m",
    ] {
        forbidden(bad, Ambiguous);
    }
}

#[test]
fn a_host_that_is_not_listed_is_forbidden() {
    for bad in [
        "https://evil.example/m",
        "https://carrier.example/m",
        "https://x.api.carrier.example/m",
        "https://xapi.carrier.example/m",
        "https://api.carrier.example.evil.example/m",
        "https://api.carrier.example./m",
        "https://api.carrier.example../m",
        "https://cdn.example/m",
        "https://evilcdn.example/m",
        "https://.cdn.example/m",
        "https://..cdn.example/m",
        "https://mms.cdn.example./m",
        "https://mms.cdn.example.evil.example/m",
        "https://a_b.cdn.example/m",
        "https://localhost/m",
        "https://api/m",
        "https://127.0.0.1.nip.io/m",
        "https://xn--pi-7ja.carrier.example/m",
    ] {
        forbidden(bad, Host);
    }
}

#[test]
fn another_port_is_forbidden() {
    for port in [0, 22, 80, 442, 444, 8443] {
        forbidden(&format!("https://api.carrier.example:{port}/m"), Port);
        forbidden(&format!("https://mms.cdn.example:{port}/m"), Port);
    }
}

#[test]
fn one_origin_allows_itself_and_nothing_else() {
    let (http, https) = (origin("http://127.0.0.1:9100/base"), origin("https://sim.example"));
    for good in ["http://127.0.0.1:9100/m", "http://127.0.0.1:9100?x"] {
        assert!(http.check(good).is_ok(), "{good}");
    }
    for good in ["https://sim.example/m", "https://sim.example:443/m"] {
        assert!(https.check(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("https://127.0.0.1:9100/m", Scheme),
        ("http://127.0.0.1:9101/m", Port),
        ("http://127.0.0.1/m", Port),
        ("http://127.0.0.2:9100/m", Host),
        ("http://localhost:9100/m", Host),
        ("http://[::1]:9100/m", Host),
        ("http://[::ffff:7f00:1]:9100/m", Host),
        ("http://2130706433:9100/m", Ambiguous),
        ("http://0x7f000001:9100/m", Ambiguous),
        ("http://127.0.0.1.:9100/m", Ambiguous),
        ("http://u:p@127.0.0.1:9100/m", Ambiguous),
        ("http://api.carrier.example:9100/m", Host),
    ] {
        assert_eq!(http.check(bad).err(), Some(why), "{bad}");
    }
    for (bad, why) in [
        ("http://sim.example/m", Scheme),
        ("https://sim.example:8443/m", Port),
        ("https://sim.example./m", Host),
        ("https://api.carrier.example/m", Host),
    ] {
        assert_eq!(https.check(bad).err(), Some(why), "{bad}");
    }
    assert!(origin("http://[::1]:9100").check("http://[::1]:9100/m").is_ok());
    assert!(MediaHosts::origin(&Url::parse("ftp://sim.example").unwrap()).is_none());
}

#[test]
fn a_redirect_is_checked_like_the_first_url() {
    let hosts = listed();
    let from = hosts.check("https://api.carrier.example/a/b?x").unwrap();
    for (location, expected) in [
        ("c", Ok("https://api.carrier.example/a/c")),
        ("/c?d", Ok("https://api.carrier.example/c?d")),
        ("?d", Ok("https://api.carrier.example/a/b?d")),
        ("?d=a:b", Ok("https://api.carrier.example/a/b?d=a:b")),
        ("../../../c", Ok("https://api.carrier.example/c")),
        ("", Ok("https://api.carrier.example/a/b?x")),
        ("//mms.cdn.example/c", Ok("https://mms.cdn.example/c")),
        ("https://mms.cdn.example/c", Ok("https://mms.cdn.example/c")),
        ("//evil.example/c", Err(Host)),
        ("///evil.example/c", Err(Ambiguous)),
        ("////evil.example/c", Err(Ambiguous)),
        ("/\\evil.example/c", Err(Unreadable)),
        ("\\\\evil.example/c", Err(Unreadable)),
        ("/\t/evil.example/c", Err(Unreadable)),
        (" c", Err(Unreadable)),
        ("https://evil.example/c", Err(Host)),
        ("http://api.carrier.example/c", Err(Scheme)),
        ("https:/c", Err(Ambiguous)),
        ("https:c", Err(Ambiguous)),
        ("file:///etc/passwd", Err(Scheme)),
        ("https://u@mms.cdn.example/c", Err(Ambiguous)),
        ("//mms.cdn.example@evil.example/c", Err(Ambiguous)),
        ("//mms.cdn.example:8443/c", Err(Port)),
        ("//127.0.0.1/c", Err(Literal)),
        ("//2130706433/c", Err(Ambiguous)),
        ("\u{fffd}", Err(Unreadable)),
    ] {
        let checked = hosts.check_redirect(&from, location).map(|checked| checked.url.to_string());
        assert_eq!(checked, expected.map(str::to_owned), "{location}");
    }
}

#[test]
fn a_list_names_hosts_and_nothing_else() {
    for good in ["api.carrier.example", ".cdn.example", "s3-external-1.amazonaws.com"] {
        assert!(MediaHosts::listed([good]).is_ok(), "{good}");
    }
    for bad in [
        "",
        ".",
        ".example",
        "example",
        "localhost",
        "*.cdn.example",
        "..cdn.example",
        "cdn.example.",
        "CDN.example",
        "cdn.example:443",
        "https://cdn.example",
        "127.0.0.1",
        "0x7f.1",
        "[::1]",
        "a b.example",
        "a@b.example",
    ] {
        assert!(MediaHosts::listed([bad]).is_err(), "{bad}");
    }
}

#[track_caller]
fn forbidden(url: &str, why: ForbiddenAddress) {
    assert_eq!(listed().check(url).err(), Some(why), "{url:?}");
}

fn listed() -> MediaHosts {
    MediaHosts::listed(["api.carrier.example", ".cdn.example"]).unwrap()
}

fn origin(url: &str) -> MediaHosts {
    MediaHosts::origin(&Url::parse(url).unwrap()).unwrap()
}
