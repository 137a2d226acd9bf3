//! A headless Chromium, driven by the DevTools protocol over its pipe.

use data_encoding::BASE64;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One browser at a time: times are measured.
static RUNNING: Mutex<()> = Mutex::new(());

/// A browser with one page. It ends, and its profile is removed, when this is dropped.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    answers: Receiver<Value>,
    events: VecDeque<Value>,
    session: String,
    next: u64,
    _profile: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// The browser's program; `None`, said by name, if this machine has none, which is a
/// failure with `COFFERDAM_EXPECT=full`.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|directory| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| directory.join(name))
        })
        .find(|program| program.is_file());
    if found.is_none() {
        println!("chromium is not installed: nothing was tried in a browser");
        assert_ne!(std::env::var("COFFERDAM_EXPECT").as_deref(), Ok("full"));
    }
    found
}

impl Browser {
    /// Starts it; `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let alone = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().expect("a temporary directory");
        // The protocol is spoken on descriptors 3 and 4, which a shell can give.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|bytes| bytes > 0)
            {
                message.pop();
                let value = serde_json::from_slice(&message).expect("JSON of the protocol");
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            input,
            answers,
            events: VecDeque::new(),
            session: String::new(),
            next: 0,
            _profile: profile,
            _alone: alone,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", target);
        browser.session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input
            .write_all(&bytes)
            .expect("a browser that listens");
        loop {
            let answer = self.answers.recv_timeout(PATIENCE);
            let mut answer = answer.unwrap_or_else(|error| panic!("{method}: {error}"));
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push_back(answer);
        }
    }

    /// Opens a page and waits until it says that it is ready.
    pub fn open(&mut self, page: &Path) {
        self.events.clear();
        self.call(
            "Page.navigate",
            json!({"url": format!("file://{}", page.display())}),
        );
        self.until(
            "document.readyState === 'complete' && document.body.dataset.state !== undefined",
        );
        let state = self.value("document.body.dataset.state");
        assert_eq!(
            state,
            "ready",
            "{}",
            self.value("document.getElementById('when').textContent")
        );
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != true {
            assert!(start.elapsed() < PATIENCE, "never: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The value of an expression in the page, as JSON has it.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {}",
            result["exceptionDetails"]
        );
        result["result"]["value"].take()
    }

    /// The text of every element that a selector finds.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let expression =
            format!("[...document.querySelectorAll({selector:?})].map(e => e.innerText.trim())");
        let texts = self.value(&expression);
        let texts = texts.as_array().expect("a list").iter();
        texts
            .map(|text| text.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Presses a key in whatever has the focus.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowRight" => 39,
            "Tab" => 9,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { text };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code}),
            );
        }
    }

    /// A screen of this size in CSS pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
    }

    /// `light` or `dark`.
    pub fn colours(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// What is on the screen, as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = picture["data"].as_str().expect("a picture");
        BASE64.decode(data.as_bytes()).expect("base64")
    }

    /// The page printed, as PDF.
    pub fn printed(&mut self) -> Vec<u8> {
        let document = self.call("Page.printToPDF", json!({"printBackground": false}));
        let data = document["data"].as_str().expect("a document");
        BASE64.decode(data.as_bytes()).expect("base64")
    }

    /// Addresses that were asked for since the page was opened.
    pub fn requests(&mut self) -> Vec<String> {
        self.told(
            "Network.requestWillBeSent",
            |event| &event["request"]["url"],
        )
    }

    /// What the browser complained about since the page was opened: errors, violations of the policy.
    pub fn complaints(&mut self) -> Vec<String> {
        let mut all = self.told("Log.entryAdded", |event| &event["entry"]["text"]);
        all.extend(self.told("Runtime.exceptionThrown", |event| {
            &event["exceptionDetails"]["text"]
        }));
        all
    }

    fn told(&mut self, method: &str, what: impl Fn(&Value) -> &Value) -> Vec<String> {
        // A call that is answered has every event before it in the list.
        self.value("1");
        let events = self.events.iter().filter(|event| event["method"] == method);
        let texts = events.map(|event| {
            what(&event["params"])
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        texts.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self
            .input
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
