//! Values: fetched, kept for their time, fetched again.

use super::*;
use nix::sys::signal::{SigSet, Signal};
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn values_are_fetched_again_when_their_time_ends() {
    let seconds = |n| Some(Duration::from_secs(n));
    let bound = || Secret::default().bearer_for("api.example.com");
    for (policy, source, holds) in [
        (None, seconds(60), 60),
        (seconds(60), None, 60),
        (seconds(60), seconds(600), 60),
        (seconds(600), seconds(60), 60),
    ] {
        let told = Told::new(&[
            Some(("first-value", source)),
            Some(("second-value", source)),
        ]);
        let mut secret = bound();
        secret.ttl = policy;
        let secrets = secrets(secret, &told);
        assert_eq!(get(&secrets).await.unwrap(), "first-value");
        advance(Duration::from_secs(holds - 1)).await;
        assert_eq!(get(&secrets).await.unwrap(), "first-value");
        assert_eq!(told.count(), 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(get(&secrets).await.unwrap(), "second-value");
        assert_eq!(told.count(), 2);
    }
    let told = Told::new(&[Some(("first-value", None)), Some(("second-value", None))]);
    let secrets = secrets(bound(), &told);
    assert_eq!(get(&secrets).await.unwrap(), "first-value");
    advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(get(&secrets).await.unwrap(), "first-value");
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_is_an_error_and_not_the_value_before() {
    let ttl = Some(Duration::from_secs(10));
    let told = Told::new(&[
        Some(("first-value", ttl)),
        None,
        Some(("second-value", ttl)),
    ]);
    let secrets = secrets(Secret::default().bearer_for("api.example.com"), &told);
    assert_eq!(get(&secrets).await.unwrap(), "first-value");
    advance(Duration::from_secs(10)).await;
    for _ in 0..3 {
        let error = get(&secrets).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("first-value"));
    }
    assert_eq!(told.count(), 2, "a failure is the answer for a moment");
    advance(Duration::from_secs(1)).await;
    assert_eq!(get(&secrets).await.unwrap(), "second-value");
    // The value before may still be valid somewhere.
    assert_eq!(
        secrets.redact("first-value second-value"),
        "xxxxxxxxxxx xxxxxxxxxxxx"
    );
}

#[tokio::test(start_paused = true)]
async fn one_fetches_and_the_others_wait() {
    let mut told = Told::new(&[Some((CANARY, None))]);
    Arc::get_mut(&mut told).unwrap().delay = Duration::from_secs(3);
    let secrets = Arc::new(secrets(
        Secret::default().bearer_for("api.example.com"),
        &told,
    ));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let secrets = Arc::clone(&secrets);
            tokio::spawn(async move { get(&secrets).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), CANARY);
    }
    assert_eq!(told.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up() {
    let mut told = Told::new(&[Some((CANARY, None))]);
    Arc::get_mut(&mut told).unwrap().delay = Duration::from_secs(3600);
    let secrets = secrets(Secret::default().bearer_for("api.example.com"), &told);
    let Err(SwapError::Provide { source, .. }) = get(&secrets).await else {
        panic!("no error");
    };
    assert!(matches!(*source, ProvideError::Deadline(_)));
}

async fn from(secret: Secret) -> Result<String, String> {
    let secret = secret.env("TOKEN").bearer_for("api.example.com");
    let secrets = Secrets::new(vec![secret], BTreeMap::new()).unwrap();
    let result = get(&secrets).await;
    result.map_err(|error| format!("{error} {error:?}"))
}

#[tokio::test]
async fn values_come_from_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    let file = || Secret::default().from_file(&path);
    let command = |script: &str| Secret::default().from_command(["sh", "-c", script]);

    for (held, value) in [
        ("canary-1\n", "canary-1"),
        ("canary-1\r\n", "canary-1"),
        ("canary-1", "canary-1"),
    ] {
        std::fs::write(&path, held).unwrap();
        assert_eq!(from(file()).await.unwrap(), value);
        let script = format!("cat {}", path.display());
        assert_eq!(from(command(&script)).await.unwrap(), value);
    }
    std::fs::write(&path, "canary-1\n\n").unwrap();
    assert!(
        from(file()).await.is_err(),
        "one line end is taken, not two"
    );
    for (bytes, fits) in [
        (MIN_VALUE - 1, false),
        (MIN_VALUE, true),
        (MAX_VALUE, true),
        (MAX_VALUE + 1, false),
        (1 << 20, false),
    ] {
        std::fs::write(&path, "c".repeat(bytes)).unwrap();
        assert_eq!(from(file()).await.is_ok(), fits, "{bytes}");
        let script = format!("cat {}", path.display());
        assert_eq!(from(command(&script)).await.is_ok(), fits, "{bytes}");
    }
    assert!(
        from(Secret::default().from_file(directory.path()))
            .await
            .is_err()
    );
    assert!(
        from(Secret::default().from_file(directory.path().join("none")))
            .await
            .is_err()
    );
    // No shell: what it would read as its own is an argument.
    let echo = Secret::default().from_command(["echo", "$(id);canary"]);
    assert_eq!(from(echo).await.unwrap(), "$(id);canary");
    // What the program said is in no error.
    let said = from(command("echo canary-out; echo canary-err >&2; exit 3"))
        .await
        .unwrap_err();
    assert!(
        said.contains("exit status: 3") && !said.contains("canary-"),
        "{said}"
    );
    assert!(
        from(Secret::default().from_command(["/none/such"]))
            .await
            .is_err()
    );
    // cargo sets it for tests.
    let variable = Secret::default().from_env("CARGO_PKG_NAME");
    assert_eq!(from(variable).await.unwrap(), "cofferdam-egress");
    let unset = from(Secret::default().from_env("COFFERDAM_TEST_UNSET"))
        .await
        .unwrap_err();
    assert!(unset.contains("COFFERDAM_TEST_UNSET"));
}

/// What `command` gives on a thread that blocks all signals, as the gate's does, and whether the
/// runtime's thread that started it still blocks them.
fn behind_blocked_signals(command: [&'static str; 3]) -> (Result<String, String>, bool) {
    let thread = std::thread::spawn(move || {
        SigSet::all().thread_block().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let result = from(Secret::default().from_command(command)).await;
            let mask = tokio::task::spawn_blocking(SigSet::thread_get_mask);
            let mask = mask.await.unwrap().unwrap();
            (result, mask.contains(Signal::SIGTERM))
        })
    });
    thread.join().unwrap()
}

#[test]
fn signals_act_on_a_command_as_on_any_other() {
    let mask = "grep SigBlk /proc/self/status | tr -d '\\t'";
    let (said, blocks) = behind_blocked_signals(["sh", "-c", mask]);
    assert_eq!(said.unwrap(), "SigBlk:0000000000000000");
    assert!(blocks, "the host's signals stay where they belong");
    let (ended, _) = behind_blocked_signals(["sh", "-c", "kill -TERM $$; echo still there"]);
    let ended = ended.unwrap_err();
    assert!(ended.contains("signal: 15"), "{ended}");
}
