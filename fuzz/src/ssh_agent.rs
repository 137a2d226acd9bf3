//! The filtered ssh-agent between a hostile program and an agent that may answer anything: no key but
//! the chosen one is used or shown, and nothing but listing and signing reaches the agent.

#[allow(unreachable_pub, reason = "it is of another crate")]
#[path = "../../crates/egress/src/ssh_agent.rs"]
mod agent;

use crate::input::Input;
use crate::scratch;
use agent::{Consent, fingerprint};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::sync::Mutex;

const CHOSEN: &[u8] = b"the chosen key";
const OTHER: &[u8] = b"another key";

/// Asks nobody, and remembers.
struct Hears(bool, Mutex<Vec<String>>);

impl Consent for Hears {
    fn sign(&self, key: &str) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        assert_eq!(key, fingerprint(CHOSEN));
        self.1.lock().expect("no panic").push(key.to_owned());
        let answer = self.0;
        Box::pin(async move { answer })
    }

    fn refused(&self, key: &str) {
        assert_ne!(key, fingerprint(CHOSEN));
    }
}

/// One input: what the program sends and what the agent answers.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let consent = Hears(input.bool(), Mutex::default());
    let (mut sent, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..input.count(1..=3) {
        sent.extend(framed(&request(&mut input)));
        answers.extend(framed(&answer(&mut input)));
    }
    if input.bool() {
        sent.extend(input.bytes(16));
        let cut = input.count(0..=3);
        answers.truncate(answers.len().saturating_sub(cut));
    }
    let path = scratch::empty("agent").join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let host = std::thread::spawn(move || host(&listener, &answers));

    let (mut program, ours) = UnixStream::pair().expect("a pair");
    // All of it fits the buffers of the sockets.
    program.write_all(&sent).expect("sent");
    program.shutdown(Shutdown::Write).expect("shut down");
    ours.set_nonblocking(true).expect("set");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let ours = tokio::net::UnixStream::from_std(ours).expect("registered");
        let _ = agent::serve(ours, &path, &[fingerprint(CHOSEN)], &consent).await;
    });
    let mut end = UnixStream::connect(&path).expect("connected");
    end.write_all(END).expect("sent");
    drop(end);

    let heard = host.join().expect("no panic");
    let asked = consent.1.lock().expect("no panic").len();
    let mut signed = 0;
    for message in heard.iter().flat_map(|all| messages(all)) {
        match message.split_first() {
            Some((11, [])) => {}
            Some((13, rest)) => {
                let (key, rest) = string(rest).expect("a key");
                let (_, flags) = string(rest).expect("what is signed");
                assert_eq!((key, flags.len()), (CHOSEN, 4));
                signed += 1;
            }
            other => panic!("{other:?} reached the agent"),
        }
    }
    assert_eq!(signed, if consent.0 { asked } else { 0 });
    let mut came = Vec::new();
    // Where not all was read that was sent, its end is told otherwise.
    let _ = program.read_to_end(&mut came);
    for message in messages(&came) {
        match message.split_first() {
            Some((5, [])) => {}
            Some((14, _)) => assert!(signed > 0),
            Some((12, rest)) => listed(rest),
            other => panic!("{other:?} reached the program"),
        }
    }
}

/// What ends the agent.
const END: &[u8] = b"end of this";

/// An agent that says all it has to say to whoever comes; what each sent.
fn host(listener: &UnixListener, answers: &[u8]) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        // Who has heard enough may be gone.
        let _ = stream.write_all(answers);
        let _ = stream.shutdown(Shutdown::Write);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        if all == END {
            return heard;
        }
        heard.push(all);
    }
}

/// Checks a list of keys: there is none but the chosen one.
fn listed(list: &[u8]) {
    let (count, mut rest) = list.split_first_chunk().expect("a count");
    for _ in 0..u32::from_be_bytes(*count) {
        let (key, after) = string(rest).expect("a key");
        assert_eq!(key, CHOSEN);
        rest = string(after).expect("a comment").1;
    }
    assert!(rest.is_empty());
}

fn request(input: &mut Input<'_>) -> Vec<u8> {
    let mut message = vec![input.pick(&[11, 13, 13, 13, 17, 27])];
    if message == [13] {
        message.extend(framed(input.pick(&[CHOSEN, CHOSEN, OTHER, b""])));
        message.extend(framed(input.bytes(8)));
        message.extend(&[0; 4][..input.count(0..=4)]);
    }
    message.extend(input.bytes(6));
    message
}

fn answer(input: &mut Input<'_>) -> Vec<u8> {
    let mut message = vec![input.pick(&[12, 12, 12, 14, 5, 200])];
    if message == [12] {
        let keys = input.count(0..=3);
        let said = keys + input.pick(&[0, 0, 0, 1]);
        message.extend((said as u32).to_be_bytes());
        for _ in 0..keys {
            message.extend(framed(input.pick(&[CHOSEN, OTHER])));
            message.extend(framed(input.bytes(6)));
        }
    }
    message.extend(input.bytes(6));
    message
}

/// With the length before it.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
    framed.extend(bytes);
    framed
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// The whole messages.
fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((message, rest)) = string(bytes) {
        all.push(message);
        bytes = rest;
    }
    all
}
