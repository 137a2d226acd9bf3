//! The decision hook: a person or a model is asked what no rule decides.

use super::shared::denial;
use crate::Host;
use crate::decision::{Denial, Reason};
use nix::sys::signal::SigSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What a hook is asked about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// The number of the environment.
    pub environment: u64,
    /// Where to.
    pub host: Host,
    /// The TCP port; none where only a name is looked up.
    pub port: Option<u16>,
    /// Method and path, where it is about one request.
    pub request: Option<(String, String)>,
}

/// The answer of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it pass, this once.
    Allow,
    /// Let this host and port pass for as long as the environment lives.
    AllowAlways,
    /// No.
    Deny,
}

/// A hook that decides what no rule does: a person, or a model. It is called, and its futures are
/// polled, on a thread of their own; they may use the caller's runtime through its handle.
pub trait Ask: Send + Sync + 'static {
    /// Decides.
    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;

    /// Decides about one signature of the ssh-agent, by the key with this fingerprint, which is one
    /// of those that the policy has chosen. Yes, where nothing else is said.
    fn sign(&self, key: String) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let _ = key;
        Box::pin(std::future::ready(Verdict::Allow))
    }
}

impl<F, A> Ask for F
where
    F: Fn(Question) -> A + Send + Sync + 'static,
    A: Future<Output = Verdict> + Send + 'static,
{
    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        Box::pin(self(question))
    }
}

type Asked = (Matter, oneshot::Sender<Verdict>);

/// What is asked about.
enum Matter {
    Network(Question),
    Signature(String),
}

/// Asks a hook, on a thread that starts with the first question: one that blocks holds up other
/// questions and nothing else.
pub(super) struct Asking {
    hook: Arc<dyn Ask>,
    deadline: Duration,
    thread: Mutex<Option<UnboundedSender<Asked>>>,
}

impl Asking {
    pub(super) fn new(hook: Arc<dyn Ask>, deadline: Duration) -> Self {
        Self {
            hook,
            deadline,
            thread: Mutex::new(None),
        }
    }

    /// The hook's yes, and whether it holds from now on; or the denial.
    pub(super) async fn ask(&self, question: Question) -> Result<bool, Denial> {
        self.put(Matter::Network(question)).await
    }

    /// Whether the hook lets a key sign.
    pub(super) async fn sign(&self, key: &str) -> Result<(), Denial> {
        self.put(Matter::Signature(key.to_owned())).await.map(drop)
    }

    async fn put(&self, matter: Matter) -> Result<bool, Denial> {
        let no_answer = || {
            let remedy = "answer within the deadline of the decision hook, or give it a longer one";
            denial(Reason::NoAnswer, remedy)
        };
        let (sender, answer) = oneshot::channel();
        let thread = self.thread().ok_or_else(no_answer)?;
        thread.send((matter, sender)).map_err(|_| no_answer())?;
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(Verdict::Allow)) => Ok(false),
            Ok(Ok(Verdict::AllowAlways)) => Ok(true),
            Ok(Ok(Verdict::Deny)) => Err(denial(
                Reason::Refused,
                "the decision hook said no; a rule that allows it is not asked about",
            )),
            // A hook that panics has given no answer either.
            Ok(Err(_)) | Err(_) => Err(no_answer()),
        }
    }

    fn thread(&self) -> Option<UnboundedSender<Asked>> {
        let mut slot = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*slot {
            return Some(sender.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .ok()?;
        let (sender, mut questions) = unbounded_channel::<Asked>();
        let hook = Arc::clone(&self.hook);
        let thread = std::thread::Builder::new().name("cofferdam-ask".into());
        // Not joined: a hook that blocks for ever is not to hold up the end of the sandbox.
        thread
            .spawn(move || {
                let _ = SigSet::all().thread_block();
                runtime.block_on(async move {
                    while let Some((matter, answer)) = questions.recv().await {
                        let hook = Arc::clone(&hook);
                        tokio::spawn(async move {
                            let verdict = match matter {
                                Matter::Network(question) => hook.ask(question).await,
                                Matter::Signature(key) => hook.sign(key).await,
                            };
                            let _ = answer.send(verdict);
                        });
                    }
                });
            })
            .ok()?;
        Some(slot.insert(sender).clone())
    }
}
