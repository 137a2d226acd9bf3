//! The filtered agent, before a real one and before a hostile program.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UnixListener;

#[derive(Default)]
struct Person {
    says_no: AtomicBool,
    heard: Mutex<Vec<String>>,
}

impl Consent for Person {
    fn sign(&self, key: &str) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        self.heard.lock().unwrap().push(format!("sign {key}"));
        Box::pin(async {
            tokio::task::yield_now().await;
            !self.says_no.load(Ordering::SeqCst)
        })
    }

    fn refused(&self, key: &str) {
        self.heard.lock().unwrap().push(format!("refused {key}"));
    }
}

impl Person {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![kind];
    for part in parts {
        out.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn sign_request(key: &[u8]) -> Vec<u8> {
    let mut request = message(SIGN_REQUEST, &[key, b"data"]);
    request.extend_from_slice(&[0; 4]);
    request
}

/// An agent of the test's own, that holds the keys `one` and `two` and answers everything.
async fn host(directory: &Path) -> PathBuf {
    let path = directory.join("host");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(Some(request)) = receive(&mut stream).await {
                    let answer = match request[0] {
                        REQUEST_IDENTITIES => {
                            let mut list = vec![IDENTITIES_ANSWER, 0, 0, 0, 2];
                            list.extend_from_slice(&message(0, &[b"one", b"1"])[1..]);
                            list.extend_from_slice(&message(0, &[b"two", b"2"])[1..]);
                            list
                        }
                        SIGN_REQUEST => message(SIGN_RESPONSE, &[b"signature"]),
                        _ => vec![6],
                    };
                    send(&mut stream, &answer).await.unwrap();
                }
            });
        }
    });
    path
}

async fn asked(client: &mut UnixStream, request: &[u8]) -> Vec<u8> {
    send(client, request).await.unwrap();
    receive(client).await.unwrap().unwrap()
}

#[tokio::test]
async fn only_listing_and_signing_with_chosen_keys() {
    let directory = tempfile::tempdir().unwrap();
    let socket = host(directory.path()).await;
    let (mut client, served) = UnixStream::pair().unwrap();
    let person = std::sync::Arc::new(Person::default());
    let consent = std::sync::Arc::clone(&person);
    let task =
        tokio::spawn(
            async move { serve(served, &socket, &[fingerprint(b"two")], &*consent).await },
        );

    let mut list = vec![IDENTITIES_ANSWER, 0, 0, 0, 1];
    list.extend_from_slice(&message(0, &[b"two", b"2"])[1..]);
    assert_eq!(asked(&mut client, &[REQUEST_IDENTITIES]).await, list);

    let signed = message(SIGN_RESPONSE, &[b"signature"]);
    assert_eq!(asked(&mut client, &sign_request(b"two")).await, signed);
    assert_eq!(person.heard(), [format!("sign {}", fingerprint(b"two"))]);
    assert_eq!(asked(&mut client, &sign_request(b"one")).await, [FAILURE]);
    assert_eq!(person.heard(), [format!("refused {}", fingerprint(b"one"))]);
    person.says_no.store(true, Ordering::SeqCst);
    assert_eq!(asked(&mut client, &sign_request(b"two")).await, [FAILURE]);
    person.says_no.store(false, Ordering::SeqCst);
    person.heard();

    // Whatever is neither fails, though the host's agent would do it.
    for kind in (0..=255).filter(|kind| ![REQUEST_IDENTITIES, SIGN_REQUEST].contains(kind)) {
        assert_eq!(asked(&mut client, &[kind]).await, [FAILURE], "{kind}");
    }
    // So does what cannot be read in one way.
    let good = sign_request(b"two");
    for length in 0..good.len() {
        assert_eq!(
            asked(&mut client, &good[..length]).await,
            [FAILURE],
            "{length}"
        );
    }
    assert_eq!(
        asked(&mut client, &[&good[..], &[0]].concat()).await,
        [FAILURE]
    );
    assert_eq!(
        asked(&mut client, &[REQUEST_IDENTITIES, 0]).await,
        [FAILURE]
    );
    let endless = [&[SIGN_REQUEST, 255, 255, 255, 255], &good[5..]].concat();
    assert_eq!(asked(&mut client, &endless).await, [FAILURE]);
    assert!(person.heard().is_empty());
    assert_eq!(asked(&mut client, &good).await, signed);

    // The longest message is answered; a longer one ends the connection.
    let longest = vec![0; MAX_MESSAGE];
    assert_eq!(asked(&mut client, &longest).await, [FAILURE]);
    let over = u32::try_from(MAX_MESSAGE + 1).unwrap();
    client.write_all(&over.to_be_bytes()).await.unwrap();
    assert!(matches!(task.await.unwrap(), Err(AgentError::Long(n)) if n == over));
}

#[tokio::test]
async fn without_the_host_s_agent_everything_fails() {
    let (mut client, served) = UnixStream::pair().unwrap();
    let task = tokio::spawn(async move {
        let person = Person::default();
        serve(
            served,
            Path::new("/none/such"),
            &[fingerprint(b"two")],
            &person,
        )
        .await
    });
    assert_eq!(asked(&mut client, &[REQUEST_IDENTITIES]).await, [FAILURE]);
    assert_eq!(asked(&mut client, &sign_request(b"two")).await, [FAILURE]);
    drop(client);
    assert!(task.await.unwrap().is_ok());
}

#[test]
fn lists_that_are_none_are_not_passed_on() {
    let keys = [fingerprint(b"two")];
    let mut list = vec![IDENTITIES_ANSWER, 0, 0, 0, 1];
    list.extend_from_slice(&message(0, &[b"two", b"2"])[1..]);
    assert_eq!(chosen(&list, &keys).as_deref(), Some(&list[..]));
    for length in 0..list.len() {
        assert_eq!(chosen(&list[..length], &keys), None);
    }
    assert_eq!(chosen(&[&list[..], &[0]].concat(), &keys), None);
    list[1] = 255;
    assert_eq!(chosen(&list, &keys), None);
}

/// OpenSSH's agent, ended with this value.
struct Agent(Child, PathBuf);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(socket: &Path, words: &[&str]) -> Output {
    Command::new(words[0])
        .args(&words[1..])
        .env("SSH_AUTH_SOCK", socket)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn openssh(directory: &Path) -> Option<Agent> {
    let socket = directory.join("openssh");
    let child = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("not tried: ssh-agent is not installed ({error})");
            return None;
        }
    };
    let agent = Agent(child, socket);
    for _ in 0..200 {
        if std::os::unix::net::UnixStream::connect(&agent.1).is_ok() {
            return Some(agent);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("ssh-agent does not listen");
}

#[tokio::test(flavor = "current_thread")]
async fn openssh_lists_and_signs_with_chosen_keys_only() {
    let directory = tempfile::tempdir().unwrap();
    let Some(agent) = openssh(directory.path()) else {
        return;
    };
    let mut prints = Vec::new();
    for name in ["chosen", "other"] {
        let key = directory.path().join(name);
        let key = key.to_str().unwrap();
        let words = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            name,
            "-f",
            key,
        ];
        assert!(run(&agent.1, &words).status.success());
        assert!(run(&agent.1, &["ssh-add", "-q", key]).status.success());
        // Only the agent has it.
        std::fs::remove_file(key).unwrap();
        std::fs::set_permissions(format!("{key}.pub"), std::fs::Permissions::from_mode(0o600))
            .unwrap();
        let print = run(&agent.1, &["ssh-keygen", "-l", "-f", &format!("{key}.pub")]).stdout;
        let print = String::from_utf8(print).unwrap();
        prints.push(print.split(' ').nth(1).unwrap().to_owned());
    }
    let filtered = directory.path().join("filtered");
    let listener = UnixListener::bind(&filtered).unwrap();
    let person = std::sync::Arc::new(Person::default());
    let (consent, host, keys) = (
        std::sync::Arc::clone(&person),
        agent.1.clone(),
        prints[..1].to_vec(),
    );
    let serving = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let _ = serve(client, &host, &keys, &*consent).await;
        }
    });
    let path = directory.path().to_owned();
    let heard = std::sync::Arc::clone(&person);
    let steps = tokio::task::spawn_blocking(move || {
        let file = path.join("text");
        std::fs::write(&file, "text").unwrap();
        let file = file.to_str().unwrap();
        let public = |name: &str| {
            path.join(format!("{name}.pub"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let sign = |socket: &Path, name: &str| {
            let _ = std::fs::remove_file(format!("{file}.sig"));
            let words = [
                "ssh-keygen",
                "-Y",
                "sign",
                "-f",
                &public(name),
                "-n",
                "test",
                file,
            ];
            run(socket, &words).status.success()
        };
        let lists = |socket: &Path| {
            let list = run(socket, &["ssh-add", "-l"]).stdout;
            String::from_utf8(list).unwrap().lines().count()
        };
        assert_eq!(lists(&agent.1), 2, "the control");
        assert_eq!(lists(&filtered), 1);
        assert!(sign(&agent.1, "other"), "the control");
        assert!(sign(&filtered, "chosen"));
        assert_eq!(heard.heard(), [format!("sign {}", prints[0])]);
        assert!(!sign(&filtered, "other"));
        heard.says_no.store(true, Ordering::SeqCst);
        assert!(!sign(&filtered, "chosen"));
        for words in [
            vec!["ssh-add", "-D"],
            vec!["ssh-add", "-d", &public("chosen")],
        ] {
            run(&filtered, &words);
            assert_eq!(lists(&agent.1), 2, "{words:?}");
        }
        assert!(
            run(&agent.1, &["ssh-add", "-D"]).status.success(),
            "the control"
        );
        assert_eq!(lists(&agent.1), 1, "one line says that there are none");
        assert!(!sign(&agent.1, "chosen"));
    });
    steps.await.unwrap();
    serving.abort();
}
