//! A value that is kept for as long as it holds.

use super::{Learned, MAX_VALUE, MIN_VALUE, ProvideError, Provided};
use cofferdam_audit::needle::Needle;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

/// How long a source may take: time enough for a person to touch a key, and less than what most
/// clients wait for an answer.
const FETCH_DEADLINE: Duration = Duration::from_secs(30);

/// How long a failure is the answer to all who ask, so that those who waited for one fetch do not
/// start as many of their own.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// How many values before the last one are still looked for: a lease that was replaced may be
/// valid, and echoed, for a while.
const FORMER: usize = 4;

/// A value, and what it looks like in text.
pub(super) struct Known {
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What is looked for.
    pub needles: Arc<Vec<Needle>>,
}

/// The value of one secret.
pub(super) struct Cache {
    source: Arc<dyn Provided>,
    ttl: Option<Duration>,
    last: tokio::sync::Mutex<Last>,
    known: Mutex<VecDeque<Arc<Known>>>,
    /// The secret's name, and who is told of values.
    pub learned: Option<(String, Learned)>,
}

enum Last {
    Nothing,
    Value {
        known: Arc<Known>,
        /// For ever, where there is none.
        until: Option<Instant>,
    },
    Failure {
        error: Arc<ProvideError>,
        until: Instant,
    },
}

impl Cache {
    /// A value from this source, used for `ttl` at most.
    pub fn new(source: Arc<dyn Provided>, ttl: Option<Duration>) -> Self {
        Self {
            source,
            ttl,
            last: tokio::sync::Mutex::new(Last::Nothing),
            known: Mutex::default(),
            learned: None,
        }
    }

    /// The value, fetched where there is none that holds. While one fetches, the others wait.
    pub async fn get(&self) -> Result<Arc<Known>, Arc<ProvideError>> {
        let mut last = self.last.lock().await;
        let now = Instant::now();
        match &*last {
            Last::Value { known, until } if until.is_none_or(|until| now < until) => {
                return Ok(Arc::clone(known));
            }
            Last::Failure { error, until } if now < *until => return Err(Arc::clone(error)),
            _ => {}
        }
        match self.fetch().await {
            Ok((known, ttl)) => {
                self.remember(&known);
                *last = Last::Value {
                    known: Arc::clone(&known),
                    // From before the fetch, so that it is never used beyond its time; a time that
                    // no clock reaches is none.
                    until: ttl.and_then(|ttl| now.checked_add(ttl)),
                };
                Ok(known)
            }
            Err(error) => {
                let error = Arc::new(error);
                *last = Last::Failure {
                    error: Arc::clone(&error),
                    until: Instant::now() + FAILURE_HOLDS,
                };
                Err(error)
            }
        }
    }

    /// The values that were fetched, as far back as they are remembered.
    pub fn known(&self) -> Vec<Arc<Known>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().cloned().collect()
    }

    async fn fetch(&self) -> Result<(Arc<Known>, Option<Duration>), ProvideError> {
        let value = timeout(FETCH_DEADLINE, self.source.fetch())
            .await
            .map_err(|_| ProvideError::Deadline(FETCH_DEADLINE))??;
        if value.bytes.len() < MIN_VALUE {
            return Err(ProvideError::Short(MIN_VALUE));
        }
        if value.bytes.len() > MAX_VALUE {
            return Err(ProvideError::Long(MAX_VALUE));
        }
        let ttl = match (self.ttl, value.ttl) {
            (Some(policy), Some(source)) => Some(policy.min(source)),
            (policy, source) => policy.or(source),
        };
        let needles = Arc::new(Needle::all(&value.bytes));
        let bytes = value.bytes;
        Ok((Arc::new(Known { bytes, needles }), ttl))
    }

    fn remember(&self, new: &Arc<Known>) {
        if let Some((name, learned)) = &self.learned {
            learned(name, &new.bytes);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|old| old.bytes != new.bytes);
        known.push_front(Arc::clone(new));
        known.truncate(FORMER + 1);
    }
}
