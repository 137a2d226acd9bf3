//! Secrets: placeholders, and where values are put.

mod values;

use super::*;
use bytes::Bytes;
use cofferdam_policy::HostName;
use data_encoding::BASE64;
use http::Request;
use http::request::Parts;
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::sleep;

const CANARY: &str = "canary-0123456789";

/// A value and its time, or a failure.
type Answer = Option<(&'static str, Option<Duration>)>;

/// A provider that answers what it is told to, in turn, and counts.
#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<Answer>>,
    count: AtomicUsize,
    delay: Duration,
}

impl Told {
    fn new(answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            ..Self::default()
        })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
struct Failed;

impl Provided for Told {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Value, ProvideError>> + Send + '_>> {
        Box::pin(async {
            self.count.fetch_add(1, Ordering::SeqCst);
            sleep(self.delay).await;
            let mut answers = self.answers.lock().unwrap();
            let answer = match answers.len() {
                1 => answers[0],
                _ => answers.pop_front().flatten(),
            };
            match answer {
                Some((value, ttl)) => Ok(Value {
                    bytes: Zeroizing::new(value.as_bytes().to_vec()),
                    ttl,
                }),
                None => Err(ProvideError::Provider(Box::new(Failed))),
            }
        })
    }
}

fn secrets(secret: Secret, told: &Arc<Told>) -> Secrets {
    let told: Arc<dyn Provided> = Arc::clone(told) as Arc<dyn Provided>;
    let providers = BTreeMap::from([("told".to_owned(), told)]);
    Secrets::new(vec![secret.env("TOKEN").from_provider("told")], providers).unwrap()
}

fn one(secret: Secret) -> (Secrets, Arc<Told>) {
    let told = Told::new(&[Some((CANARY, None))]);
    (secrets(secret, &told), told)
}

fn placeholder_of(secrets: &Secrets) -> String {
    secrets.placeholders()[0].1.clone()
}

fn host(name: &str) -> Host {
    Host::Name(HostName::parse(name).unwrap())
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

async fn swap(secrets: &Secrets, parts: &mut Parts) -> Result<Used, SwapError> {
    let host = host("api.example.com");
    secrets.swap(&host, 443, true, false, parts).await
}

fn text(parts: &Parts) -> String {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    format!("{}\n{}", parts.uri, headers.collect::<String>())
}

#[tokio::test]
async fn a_value_is_told_when_it_was_fetched() {
    let (secrets, _) = one(Secret::default().bearer_for("api.example.com"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let secrets = secrets.learned(Some(Arc::new(move |name: &str, value: &[u8]| {
        let mut heard = hears.lock().unwrap();
        heard.push((name.to_owned(), value.to_vec()));
    })));
    assert!(heard.lock().unwrap().is_empty());
    let mine = placeholder_of(&secrets);
    for _ in 0..2 {
        let mut parts = request("/", &[("authorization", &format!("bearer {mine}"))]);
        swap(&secrets, &mut parts).await.unwrap();
    }
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, [("TOKEN".to_owned(), CANARY.as_bytes().to_vec())]);
}

#[tokio::test]
async fn each_place_gets_the_value() {
    let header = Secret::default().header_for("X-Key", "api.example.com");
    let (secrets, _) = one(header);
    let mine = placeholder_of(&secrets);
    let mut parts = request("/", &[("x-key", &format!("a={mine}; b={mine}"))]);
    assert_eq!(swap(&secrets, &mut parts).await.unwrap().names(), ["TOKEN"]);
    assert_eq!(parts.headers["x-key"], format!("a={CANARY}; b={CANARY}"));
    assert_eq!(parts.headers["accept-encoding"], "identity");
    assert!(parts.headers["x-key"].is_sensitive());

    let (secrets, _) = one(Secret::default().bearer_for("api.example.com"));
    let mine = placeholder_of(&secrets);
    let mut parts = request("/", &[("authorization", &format!("bearer  {mine}"))]);
    swap(&secrets, &mut parts).await.unwrap();
    assert_eq!(parts.headers["authorization"], format!("Bearer {CANARY}"));

    let (secrets, _) = one(Secret::default().basic_for("api.example.com"));
    let mine = placeholder_of(&secrets);
    for (pair, expected) in [
        (format!("me:{mine}"), format!("me:{CANARY}")),
        (format!("{mine}:x"), format!("{CANARY}:x")),
        (format!("{mine}:{mine}"), format!("{CANARY}:{CANARY}")),
    ] {
        let field = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let mut parts = request("/", &[("authorization", &field)]);
        swap(&secrets, &mut parts).await.unwrap();
        let expected = format!("Basic {}", BASE64.encode(expected.as_bytes()));
        assert_eq!(parts.headers["authorization"], expected);
    }

    let (secrets, _) = one(Secret::default().query_for("a key", "api.example.com"));
    let mine = placeholder_of(&secrets);
    for (name, value) in [
        ("a+key", mine.clone()),
        (
            "a%20key",
            format!("%{:02x}{}", mine.as_bytes()[0], &mine[1..]),
        ),
    ] {
        let mut parts = request(&format!("/p?x=%zz&{name}={value}&y"), &[]);
        swap(&secrets, &mut parts).await.unwrap();
        assert_eq!(parts.uri, format!("/p?x=%zz&{name}={CANARY}&y").as_str());
    }
}

#[tokio::test]
async fn a_query_s_value_is_encoded() {
    let told = Told::new(&[Some(("a b&c=d%/+\u{e9}", None))]);
    let secrets = secrets(Secret::default().query_for("k", "api.example.com"), &told);
    let uri = format!("https://api.example.com/p?k={}", placeholder_of(&secrets));
    let mut parts = request(&uri, &[]);
    swap(&secrets, &mut parts).await.unwrap();
    assert_eq!(
        parts.uri,
        "https://api.example.com/p?k=a%20b%26c%3Dd%25%2F%2B%C3%A9"
    );
}

/// What is not the bound place of a bound host over a safe connection keeps its placeholder.
#[tokio::test]
async fn elsewhere_a_placeholder_stays_one() {
    let (secrets, told) = one(Secret::default().bearer_for("*.example.com:443"));
    let mine = placeholder_of(&secrets);
    let good = format!("Bearer {mine}");
    let basic = format!("Basic {}", BASE64.encode(format!("me:{mine}").as_bytes()));
    let query = format!("/?token={mine}");
    let api = host("api.example.com");
    let address = Host::Address([192, 0, 2, 1].into());
    type Case<'a> = (&'a Host, u16, bool, bool, &'a str, &'a [(&'a str, &'a str)]);
    let cases: [Case<'_>; 11] = [
        (
            &host("api.example.org"),
            443,
            true,
            false,
            "/",
            &[("authorization", &good)],
        ),
        (
            &host("example.com"),
            443,
            true,
            false,
            "/",
            &[("authorization", &good)],
        ),
        (&address, 443, true, false, "/", &[("authorization", &good)]),
        (&api, 8443, true, false, "/", &[("authorization", &good)]),
        (&api, 443, false, false, "/", &[("authorization", &good)]),
        (&api, 443, true, false, "/", &[("x-authorization", &good)]),
        (&api, 443, true, false, "/", &[("cookie", &good)]),
        (
            &api,
            443,
            true,
            false,
            "/",
            &[("authorization", &format!("{good}x"))],
        ),
        (
            &api,
            443,
            true,
            false,
            "/",
            &[("authorization", &format!("Token {mine}"))],
        ),
        (&api, 443, true, false, "/", &[("authorization", &basic)]),
        (&api, 443, true, false, &query, &[]),
    ];
    for (host, port, tls, loopback, uri, headers) in cases {
        let mut parts = request(uri, headers);
        let before = text(&parts);
        let used = secrets
            .swap(host, port, tls, loopback, &mut parts)
            .await
            .unwrap();
        assert!(used.names().is_empty());
        assert_eq!(text(&parts), before);
        assert!(used.scrubber().is_idle());
    }
    assert_eq!(
        told.count(),
        0,
        "nothing is fetched for what is not swapped"
    );
    // The control: the bound place, over TLS and to a loopback address.
    for (tls, loopback) in [(true, false), (false, true)] {
        let mut parts = request("/", &[("authorization", &good)]);
        let used = secrets
            .swap(&api, 443, tls, loopback, &mut parts)
            .await
            .unwrap();
        assert_eq!(used.names(), ["TOKEN"]);
    }
    assert_eq!(told.count(), 1);
    assert!(secrets.wants(&api, 443) && !secrets.wants(&api, 80) && !secrets.wants(&address, 443));
}

#[tokio::test]
async fn values_that_a_place_cannot_carry_are_refused() {
    let host = "api.example.com";
    let basic = |pair: String| format!("Basic {}", BASE64.encode(pair.as_bytes()));
    type Field = Box<dyn Fn(&str) -> String>;
    let cases: [(&str, Secret, &str, Field, bool); 9] = [
        (
            "aaaa\r\nx: bbbb",
            Secret::default().header_for("x-key", host),
            "x-key",
            Box::new(str::to_owned),
            false,
        ),
        (
            "aaaa\0bbbb",
            Secret::default().header_for("x-key", host),
            "x-key",
            Box::new(str::to_owned),
            false,
        ),
        (
            " aaaabbbb",
            Secret::default().header_for("x-key", host),
            "x-key",
            Box::new(str::to_owned),
            false,
        ),
        (
            "aaaa bbbb\u{e9}",
            Secret::default().header_for("x-key", host),
            "x-key",
            Box::new(str::to_owned),
            true,
        ),
        (
            "aaaa bbbb",
            Secret::default().bearer_for(host),
            "authorization",
            Box::new(|p| format!("Bearer {p}")),
            false,
        ),
        (
            "aaaa=bbbb",
            Secret::default().bearer_for(host),
            "authorization",
            Box::new(|p| format!("Bearer {p}")),
            true,
        ),
        (
            "aaaa:bbbb",
            Secret::default().basic_for(host),
            "authorization",
            Box::new(move |p| basic(format!("{p}:x"))),
            false,
        ),
        (
            "aaaa:bbbb",
            Secret::default().basic_for(host),
            "authorization",
            Box::new(move |p| basic(format!("x:{p}"))),
            true,
        ),
        (
            "aaaa\nbbbb",
            Secret::default().basic_for(host),
            "authorization",
            Box::new(move |p| basic(format!("x:{p}"))),
            false,
        ),
    ];
    for (value, secret, name, field, fits) in cases {
        let told = Told::new(&[Some((value, None))]);
        let secrets = secrets(secret, &told);
        let field = field(&placeholder_of(&secrets));
        let mut parts = request("/", &[(name, &field)]);
        let result = swap(&secrets, &mut parts).await;
        assert_eq!(result.is_ok(), fits, "{value:?}");
        if let Err(error) = result {
            assert!(matches!(error, SwapError::Illegal(_)));
            assert!(!format!("{error} {error:?}").contains("bbbb"));
        }
    }
}

#[tokio::test]
async fn a_request_that_becomes_too_long_is_refused() {
    let (secrets, _) = one(Secret::default().query_for("k", "api.example.com"));
    let mine = placeholder_of(&secrets);
    // Longer by the value's difference than a target may be (65,534 bytes).
    let told = Told::new(&[Some((
        "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
        None,
    ))]);
    for (secrets, fits) in [
        (&secrets, true),
        (
            &super::tests::secrets(Secret::default().query_for("k", "api.example.com"), &told),
            false,
        ),
    ] {
        let mine = placeholder_of(secrets);
        let mut parts = request(&format!("/{}?k={mine}", "a".repeat(65_490)), &[]);
        let result = swap(secrets, &mut parts).await;
        assert_eq!(result.is_ok(), fits);
        assert!(fits || matches!(result, Err(SwapError::Long(_))));
    }
    assert_eq!(mine.len(), PLACEHOLDER);
}

#[test]
fn placeholders_are_random_and_need_no_escaping() {
    let make = || {
        one(Secret::default()
            .prefix("ghp_")
            .bearer_for("api.example.com"))
        .0
    };
    let (first, second) = (placeholder_of(&make()), placeholder_of(&make()));
    assert_ne!(first, second);
    for text in [first, second] {
        assert_eq!(text.len(), 40);
        assert!(text.starts_with("ghp_"));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let make = |secret: Secret| Secrets::new(vec![secret], BTreeMap::new());
    let good = || Secret::default().env("TOKEN").bearer_for("api.example.com");
    assert!(make(good()).is_ok());
    assert!(matches!(
        make(good().from_provider("none")),
        Err(SecretsError::Provider { .. })
    ));
    assert!(matches!(
        make(good().prefix("a b")),
        Err(SecretsError::Prefix(_))
    ));
    assert!(matches!(
        make(good().place(SecretPlace::Query(String::new()))),
        Err(SecretsError::Parameter(_))
    ));
    assert!(matches!(
        make(good().from_command([""])),
        Err(SecretsError::Command(_))
    ));
    for header in ["Host", "content-length", "Transfer-Encoding", "a b", ""] {
        let result = make(good().place(SecretPlace::Header(header.into())));
        assert!(
            matches!(result, Err(SecretsError::Header { .. })),
            "{header}"
        );
    }
    assert!(make(good().place(SecretPlace::Header("X-Api-Key".into()))).is_ok());
    let twice = Secrets::new(vec![good(), good()], BTreeMap::new());
    assert!(matches!(twice, Err(SecretsError::Twice(_))));
}

async fn get(secrets: &Secrets) -> Result<String, SwapError> {
    let field = format!("Bearer {}", placeholder_of(secrets));
    let mut parts = request("/", &[("authorization", &field)]);
    swap(secrets, &mut parts).await?;
    let field = String::from_utf8_lossy(parts.headers["authorization"].as_bytes());
    Ok(field.trim_start_matches("Bearer ").to_owned())
}

#[tokio::test]
async fn debug_and_redacted_texts_hold_no_value() {
    let (secrets, _) = one(Secret::default().bearer_for("api.example.com"));
    assert_eq!(
        secrets.redact(CANARY),
        CANARY,
        "nothing is known before the first fetch"
    );
    let field = format!("Bearer {}", placeholder_of(&secrets));
    let mut parts = request("/", &[("authorization", &field)]);
    let used = swap(&secrets, &mut parts).await.unwrap();
    let value = Value {
        bytes: Zeroizing::new(CANARY.as_bytes().to_vec()),
        ttl: None,
    };
    let shown = format!(
        "{secrets:?} {used:?} {value:?} {:?} {parts:?}",
        used.scrubber()
    );
    assert!(
        !shown.contains(CANARY) && !shown.contains("99, 97, 110"),
        "{shown}"
    );
    let log = format!(
        "GET /?k={CANARY} {}",
        BASE64.encode(format!("me:{CANARY}").as_bytes())
    );
    let clean = secrets.redact(&log);
    assert!(clean.starts_with("GET /?k=xxxxxxxxxxxxxxxxx "), "{clean}");
    let encoded = clean.rsplit(' ').next().unwrap();
    let decoded = BASE64.decode(encoded.as_bytes()).unwrap();
    assert!(!String::from_utf8_lossy(&decoded).contains("0123"));
    assert_eq!(
        secrets.redact("nothing here \u{1f511}"),
        "nothing here \u{1f511}"
    );
}

/// After a value was used, later answers of its host are gone over too, but not refused.
#[tokio::test]
async fn a_host_that_knows_a_value_is_watched() {
    let (secrets, _) = one(Secret::default().bearer_for("api.example.com"));
    get(&secrets).await.unwrap();
    let mut parts = request("/", &[("accept-encoding", "gzip")]);
    let used = swap(&secrets, &mut parts).await.unwrap();
    assert!(used.names().is_empty());
    assert_eq!(parts.headers["accept-encoding"], "identity");
    let mut scrubber = used.scrubber();
    assert_eq!(
        scrubber.chunk(CANARY.as_bytes()).as_ref(),
        b"xxxxxxxxxxxxxxxxx"
    );
    let mut parts = request("/", &[("accept-encoding", "gzip")]);
    let other = host("other.example.com");
    let used = secrets
        .swap(&other, 443, true, false, &mut parts)
        .await
        .unwrap();
    assert!(used.scrubber().is_idle());
    assert_eq!(parts.headers["accept-encoding"], "gzip");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_gone_over_with_its_trailers() {
    let (secrets, _) = one(Secret::default().bearer_for("api.example.com"));
    let field = format!("Bearer {}", placeholder_of(&secrets));
    let mut parts = request("/", &[("authorization", &field)]);
    let used = swap(&secrets, &mut parts).await.unwrap();
    let mut body = used.scrubber().body(Slow(
        [
            Some(http_body::Frame::data(Bytes::from_static(
                b"you sent canary-",
            ))),
            None,
            Some(http_body::Frame::data(Bytes::from_static(b"0123456789 ca"))),
            None,
            Some(http_body::Frame::data(Bytes::from_static(b"n"))),
            Some(http_body::Frame::trailers(
                [(
                    HeaderName::from_static("x-echo"),
                    HeaderValue::from_static(CANARY),
                )]
                .into_iter()
                .collect(),
            )),
        ]
        .into(),
        None,
    ));
    let mut pieces = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(data) => pieces.push(String::from_utf8(data.to_vec()).unwrap()),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert_eq!(pieces, ["you sent ", "xxxxxxxxxxxxxxxxx ", "ca", "n"]);
    assert_eq!(trailers.unwrap()["x-echo"], "xxxxxxxxxxxxxxxxx");
}

/// A body that is silent for a second wherever there is no frame.
struct Slow(
    VecDeque<Option<http_body::Frame<Bytes>>>,
    Option<Pin<Box<tokio::time::Sleep>>>,
);

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if let Some(pause) = &mut self.1 {
            std::task::ready!(pause.as_mut().poll(cx));
            self.1 = None;
        }
        match self.0.pop_front() {
            Some(Some(frame)) => std::task::Poll::Ready(Some(Ok(frame))),
            Some(None) => {
                self.1 = Some(Box::pin(sleep(Duration::from_secs(1))));
                self.poll_frame(cx)
            }
            None => std::task::Poll::Ready(None),
        }
    }
}
