//! What is measured under which circumstances: a contest, which is a process of its own.

use std::fmt;
use std::str::FromStr;

/// What is waited for, from the start of the program on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its end.
    Exit,
    /// The first byte it writes; what is left of it is cleared away before the next begins.
    FirstByte,
}

/// The program that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `static/main.rs`: no libc.
    Static,
    /// `/bin/echo`, with a dynamic linker and a libc.
    Dynamic,
}

/// The circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub until: Until,
    pub program: Program,
    /// Memory that the host has touched.
    pub mib: usize,
    /// Threads that start programs at the same time.
    pub threads: usize,
    /// Whether each program gets a network namespace, or has the host's network.
    pub network: bool,
    /// Mounts that the host has beside its own.
    pub mounts: usize,
    /// The contenders, by their keys; all where there is none.
    pub only: Vec<String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            until: Until::Exit,
            program: Program::Static,
            mib: 10,
            threads: 1,
            network: true,
            mounts: 0,
            only: Vec::new(),
        }
    }
}

impl Setting {
    /// The same with these contenders alone.
    pub fn only(mut self, keys: &[&str]) -> Self {
        self.only = keys.iter().map(ToString::to_string).collect();
        self
    }

    /// Whether this contender takes part.
    pub fn has(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == key)
    }

    /// What it is, for a heading.
    pub fn title(&self) -> String {
        let mut title = match self.until {
            Until::Exit => "spawn to exit".to_owned(),
            Until::FirstByte => "spawn to first byte".to_owned(),
        };
        if self.program == Program::Dynamic {
            title += " of /bin/echo";
        }
        if self.threads > 1 {
            title += &format!(", {} threads", self.threads);
        }
        if self.mib > Self::default().mib {
            title += &format!(", host of {}", size(self.mib));
        }
        if !self.network {
            title += ", on the host's network";
        }
        if self.mounts > 0 {
            title += &format!(", host with {} mounts more", self.mounts);
        }
        title
    }
}

/// Mebibytes in words.
pub fn size(mib: usize) -> String {
    match mib {
        mib if mib >= 1024 && mib % 1024 == 0 => format!("{} GiB", mib / 1024),
        mib => format!("{mib} MiB"),
    }
}

/// One word, as an argument.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "until={:?},program={:?},mib={},threads={},network={},mounts={},only={}",
            self.until,
            self.program,
            self.mib,
            self.threads,
            self.network,
            self.mounts,
            self.only.join("+")
        )
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut setting = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            let number = || value.parse().map_err(|_| wrong(part));
            match (key, value) {
                ("until", "Exit") => setting.until = Until::Exit,
                ("until", "FirstByte") => setting.until = Until::FirstByte,
                ("program", "Static") => setting.program = Program::Static,
                ("program", "Dynamic") => setting.program = Program::Dynamic,
                ("mib", _) => setting.mib = number()?,
                ("threads", _) => setting.threads = number()?.max(1),
                ("network", _) => setting.network = value.parse().map_err(|_| wrong(part))?,
                ("mounts", _) => setting.mounts = number()?,
                ("only", "") => setting.only.clear(),
                ("only", keys) => setting.only = keys.split('+').map(String::from).collect(),
                _ => return Err(wrong(part)),
            }
        }
        Ok(setting)
    }
}

fn wrong(part: &str) -> String {
    format!(
        "`{part}` is no part of a setting: until=Exit|FirstByte, program=Static|Dynamic, mib=N, threads=N, \
         network=true|false, mounts=N, only=KEY+KEY"
    )
}
