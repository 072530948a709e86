//! Where redirects may lead, and what goes along.

use super::network::{redirect, response, whole};
use super::*;

#[tokio::test(start_paused = true)]
async fn redirects_to_listed_hosts_are_followed_without_credentials() {
    for status in [301, 302, 303, 307, 308] {
        let to = "https://mms.cdn.example/f?signature=1";
        let network = TestNetwork::new([Site::new(API, [redirect(status, to)]), Site::new(STORAGE, [whole("photo")])]);
        assert_eq!(fetch(&network, MEDIUM).await.0, file("photo", 1), "{status}");
        let requests = network.requests();
        assert!(requests[0].starts_with("GET /Media/ME1 HTTP/1.1\r\n"), "{}", requests[0]);
        assert_eq!(requests[0].matches("hunter2").count(), 3, "{}", requests[0]);
        let expected = "GET /f?signature=1 HTTP/1.1\r\naccept: */*\r\nuser-agent: offhook\r\nhost: mms.cdn.example\r\n\
            accept-encoding: identity\r\nconnection: close\r\n\r\n";
        assert_eq!(requests[1], expected, "nothing else goes along");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_request_has_its_headers_but_for_those_that_change_the_file() {
    let network = TestNetwork::new([Site::new(API, [whole("photo")])]);
    fetch(&network, MEDIUM).await;
    let request = &network.requests()[0];
    for header in ["authorization: Basic hunter2", "host: api.carrier.example", "accept-encoding: identity"] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}: {request}");
    }
    for header in ["range", "gzip", "evil"] {
        assert!(!request.contains(header), "{header}: {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_do_not_come_back_with_a_redirect_to_the_first_host() {
    let api = Site::new(API, [redirect(302, "https://mms.cdn.example/f"), whole("photo")]);
    let network = TestNetwork::new([api, Site::new(STORAGE, [redirect(302, "https://api.carrier.example/f")])]);
    assert_eq!(fetch(&network, MEDIUM).await.0, file("photo", 2));
    let with_credentials: Vec<_> = network.requests().iter().map(|request| request.contains("hunter2")).collect();
    assert_eq!(with_credentials, [true, false, false]);
    let network = TestNetwork::new([Site::new(API, [redirect(302, "f"), whole("photo")])]);
    assert_eq!(fetch(&network, MEDIUM).await.0, file("photo", 1));
    assert!(network.requests()[1].starts_with("GET /Media/f HTTP") && !network.requests()[1].contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn three_redirects_are_followed_and_a_loop_ends() {
    let scripts = |n| (0..n).map(|_| redirect(302, "/again")).chain([whole("photo")]);
    let network = TestNetwork::new([Site::new(API, scripts(3))]);
    assert_eq!(fetch(&network, MEDIUM).await.0, file("photo", 3));
    let network = TestNetwork::new([Site::new(API, scripts(100))]);
    assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Refused(None));
    assert_eq!(network.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_elsewhere_is_not_followed() {
    use ForbiddenAddress::*;
    for (location, why) in [
        ("https://evil.example/f", Host),
        ("//evil.example/f", Host),
        ("http://api.carrier.example/f", Scheme),
        ("http://mms.cdn.example/f", Scheme),
        ("file:///etc/passwd", Scheme),
        ("https://mms.cdn.example:8443/f", Port),
        ("https://mms.cdn.example@evil.example/f", Ambiguous),
        ("https://169.254.169.254/latest/meta-data", Literal),
        ("https://2852039166/latest/meta-data", Ambiguous),
        ("https://[::ffff:169.254.169.254]/latest", Ambiguous),
        ("https://mms.cdn.example./f", Host),
        ("https://mms.cdn.example/\u{e9}", Unreadable),
    ] {
        let sites = [Site::new(API, [redirect(307, location)]), Site::new(STORAGE, [whole("photo")])];
        let api = sites[0].address();
        let network = TestNetwork::new(sites);
        assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Forbidden(why), "{location}");
        assert_eq!(network.connected(), [(api, 443).into()], "{location}");
    }
    let nowhere = response("302 Elsewhere\ncontent-length: 0", b"");
    assert_eq!(fetch_from(nowhere).await.0, Outcome::Refused(None));
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_for_the_whole_way() {
    let slow = || {
        let mut script = vec![network::Step::Wait(Duration::from_secs(9))];
        script.extend(redirect(302, "/again"));
        script
    };
    let mut last = response("200 OK\ncontent-length: 1000", b"");
    last.push(network::Step::Repeat(vec![b'x'], Duration::from_secs(9)));
    let network = TestNetwork::new([Site::new(API, [slow(), slow(), slow(), last])]);
    let began = tokio::time::Instant::now();
    assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Later);
    assert_eq!((began.elapsed().as_secs(), network.requests().len()), (60, 4));
}
