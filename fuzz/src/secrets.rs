//! Secrets at the gate: the value goes into requests to its host at its place and nowhere else, and is
//! in no answer, however that is cut.

use crate::input::Input;
use cofferdam_egress::Host;
use cofferdam_egress::secret::{Provided, ProvideError, Scrubber, Secrets, Value};
use cofferdam_policy::Secret;
use data_encoding::{BASE64, BASE64_MIME, HEXUPPER};
use http::Request;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

const VALUE: &str = "s3cr3t-V4lue/+";
const HOST: &str = "api.example.test";
const HEADERS: [&str; 5] = ["authorization", "x-key", "accept-encoding", "cookie", "referer"];
const FORMS: [&str; 9] = [
    "$", "Bearer $", "bearer   $", "Basic $BASE64", "basic $BASE64", "a=$; b=$", "$$", "Bearer $x", "\u{ff}$",
];
const PATHS: [&str; 7] = ["/", "/?k=$", "/?a=b&k=$&k=$", "/?k=x$", "/$?k", "/?%6b=$", "/?K=$"];

struct Told;

impl Provided for Told {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Value, ProvideError>> + Send + '_>> {
        let bytes = VALUE.as_bytes().to_vec().into();
        Box::pin(std::future::ready(Ok(Value { bytes, ttl: None })))
    }
}

/// One input: a secret's place, a request, and an answer.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let place = input.count(0..=3);
    let secret = match place {
        0 => Secret::default().bearer_for(HOST),
        1 => Secret::default().basic_for(HOST),
        2 => Secret::default().header_for("X-Key", HOST),
        _ => Secret::default().query_for("k", HOST),
    };
    let told: Arc<dyn Provided> = Arc::new(Told);
    let providers = BTreeMap::from([("told".to_owned(), told)]);
    let secret = secret.env("TOKEN").from_provider("told");
    let secrets = Secrets::new(vec![secret], providers).expect("a secret");
    let placeholder = secrets.placeholders()[0].1.clone();
    let filled = |form: &str| {
        let pair = BASE64.encode(format!("user:{placeholder}").as_bytes());
        form.replace("$BASE64", &pair).replace('$', &placeholder)
    };
    let mut request = Request::builder().uri(filled(input.pick(&PATHS)));
    for _ in 0..input.count(0..=4) {
        let name = input.pick(&HEADERS);
        let value = match input.byte() % 4 {
            0 => [input.bytes(8), placeholder.as_bytes(), input.bytes(8)].concat(),
            _ => filled(input.pick(&FORMS)).into_bytes(),
        };
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    let host = input.pick(&[HOST, HOST, HOST, "other.example.test", "x.api.example.test"]);
    let port = input.pick(&[443, 443, 443, 80]);
    let (tls, loopback) = (input.byte() % 4 != 0, input.byte() % 4 == 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let swapped = runtime.expect("a runtime").block_on(async {
        let host = Host::parse(host).expect("a host");
        secrets.swap(&host, port, tls, loopback, &mut parts).await
    });

    let may = host == HOST && port == 443 && (tls || loopback);
    let mut put = uri_holds(&parts.uri.to_string());
    assert!(!put || may && place == 3);
    for (name, value) in &parts.headers {
        let is_there = contains(value.as_bytes(), VALUE.as_bytes()) || basic(value.as_bytes());
        put |= is_there;
        let right = matches!((place, name.as_str()), (0 | 1, "authorization") | (2, "x-key"));
        assert!(!is_there || may && right, "{name}: {value:?}");
    }
    if let Ok(used) = swapped {
        assert_eq!(used.names().is_empty(), !put);
        if put {
            answer(used.scrubber(), &mut input);
        }
    }
}

fn uri_holds(uri: &str) -> bool {
    let plain = uri.replace("%2F", "/").replace("%2B", "+").replace("%2f", "/").replace("%2b", "+");
    plain.contains(VALUE)
}

/// Whether it is a pair of `Basic` with the value in it.
fn basic(field: &[u8]) -> bool {
    let word = field.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    BASE64.decode(word).is_ok_and(|pair| contains(&pair, VALUE.as_bytes()))
}

/// An answer that repeats the value in many ways.
fn answer(scrubber: Scrubber, input: &mut Input<'_>) {
    let mut text = Vec::new();
    let mut spelled = Vec::new();
    for _ in 0..input.count(1..=4) {
        text.extend(input.bytes(20));
        let each = |spell: fn(u8) -> String| VALUE.bytes().map(spell).collect::<String>();
        let one = match input.byte() % 9 {
            0 => VALUE.to_owned(),
            1 => HEXUPPER.encode(VALUE.as_bytes()).to_ascii_lowercase(),
            2 => BASE64.encode(format!("ab{VALUE}cd").as_bytes())[3..].to_owned(),
            3 => BASE64_MIME.encode(VALUE.repeat(5).as_bytes()),
            4 => each(|byte| format!("%{byte:02x}")),
            5 => each(|byte| format!("\\u{byte:04X}")),
            6 => each(|byte| format!("&#{byte};")),
            7 => VALUE.replace('/', "\\/"),
            _ => VALUE[..VALUE.len() - 1].to_owned(),
        };
        text.extend(one.bytes());
        if one.len() >= VALUE.len() && one.len() < 200 {
            spelled.push(one);
        }
    }
    text.extend(input.bytes(20));
    let run = |piece: usize, release: bool| {
        let mut scrubber = scrubber.clone();
        let mut out = Vec::new();
        for piece in text.chunks(piece) {
            out.extend(scrubber.chunk(piece));
            if release {
                out.extend(scrubber.release());
            }
        }
        out.extend(scrubber.finish());
        out
    };
    let whole = run(usize::MAX, false);
    assert_eq!(whole.len(), text.len());
    assert!(!contains(&whole, VALUE.as_bytes()));
    for spelled in spelled.iter().filter(|one| !one.starts_with(['a', 'Y'])) {
        assert!(!contains(&whole, spelled.as_bytes()), "{spelled}");
    }
    let step = input.count(1..=9);
    assert_eq!(run(step, false), whole);
    // A few bytes of what turns out to be a value may have gone out when there was a pause.
    let paused = run(step, true);
    assert_eq!(paused.len(), text.len());
    assert!(!contains(&paused, VALUE.as_bytes()));
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
