//! A second, naive reading of what rules decide, over a handful of names, addresses and paths. Cases
//! are made from bytes, so that a fuzzer can make them too.

use cofferdam_egress::decision::{ConnectVerdict, Reason, RequestVerdict};
use cofferdam_egress::{Host, Rules};
use std::net::IpAddr;

const NAMES: [&str; 5] = ["test", "a.test", "b.test", "b.a.test", "a.b.test"];
const PATTERNS: [&str; 8] = [
    "*", "*.test", "test", "a.test", "b.*", "*.a.test", "b.*.test", "*.b.test",
];

/// Addresses, whether they are special, and how long the prefix of a rule has to be to mean them.
const ADDRESSES: [(&str, bool, u8); 8] = [
    ("192.0.2.1", false, 0),
    ("10.1.2.3", true, 8),
    ("127.0.0.1", true, 8),
    ("169.254.1.1", true, 16),
    ("169.254.169.254", true, 32),
    ("2001:db8::1", false, 0),
    ("::1", true, 128),
    ("fd00::1", true, 7),
];
/// Ranges: the text, the prefix, and the addresses in them.
const RANGES: [(&str, u8, &[usize]); 10] = [
    ("0.0.0.0/0", 0, &[0, 1, 2, 3, 4]),
    ("192.0.2.0/24", 24, &[0]),
    ("10.0.0.0/8", 8, &[1]),
    ("10.0.0.0/7", 7, &[1]),
    ("127.0.0.1", 32, &[2]),
    ("169.254.0.0/16", 16, &[3, 4]),
    ("169.254.169.254", 32, &[4]),
    ("[::]/0", 0, &[5, 6, 7]),
    ("[::1]", 128, &[6]),
    ("[fc00::]/7", 7, &[7]),
];
const PORTS: [(&str, &[u16]); 4] = [
    ("", &[80, 443]),
    (":80", &[80]),
    (":443", &[443]),
    (":1-80", &[80]),
];
const METHODS: [&str; 4] = ["", "GET", "PUT", "GET,PUT"];
const PATTERN_PATHS: [&str; 6] = ["", "/x", "/x/**", "/*/y", "/**", "/x y"];
/// Paths as they stand in requests, and the patterns that mean them; none for ambiguous ones.
const PATHS: [(&str, Option<&[usize]>); 9] = [
    ("/", Some(&[4])),
    ("/x", Some(&[1, 2, 4])),
    ("//%78/", Some(&[1, 2, 4])),
    ("/x/y", Some(&[2, 3, 4])),
    ("/z//y", Some(&[3, 4])),
    ("/z", Some(&[4])),
    ("/z/../x", None),
    ("/x%2fy", None),
    ("/x;/y", None),
];

/// A rule as indices into the tables.
#[derive(Clone, Copy, Debug)]
struct Rule {
    range: bool,
    to: usize,
    ports: usize,
    http: Option<(usize, usize)>,
}

/// Rules, and what is asked of them.
#[derive(Clone, Debug)]
pub struct Case {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    name: usize,
    address: usize,
    port: u16,
    method: &'static str,
    path: usize,
    inspect: bool,
}

impl Case {
    /// The case that the bytes are; none for too few.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes.iter().map(|byte| usize::from(*byte));
        let mut next = |below: usize| Some(bytes.next()? % below);
        let mut case = Case {
            allow: Vec::new(),
            deny: Vec::new(),
            name: next(NAMES.len())?,
            address: next(ADDRESSES.len())?,
            port: [80, 443][next(2)?],
            method: ["GET", "PUT", "DELETE"][next(3)?],
            path: next(PATHS.len())?,
            inspect: next(4)? == 0,
        };
        let (allow, deny) = (next(4)?, next(4)?);
        for index in 0..allow + deny {
            let range = next(2)? == 0;
            let to = next(if range { RANGES.len() } else { PATTERNS.len() })?;
            let ports = next(PORTS.len())?;
            let http = match next(2)? {
                0 => None,
                _ => Some((next(METHODS.len())?, next(PATTERN_PATHS.len())?)),
            };
            let rule = Rule {
                range,
                to,
                ports,
                http,
            };
            match index < allow {
                true => case.allow.push(rule),
                false => case.deny.push(rule),
            }
        }
        Some(case)
    }

    /// Asks both.
    pub fn check(&self) {
        let read = |rules: &[Rule]| {
            rules
                .iter()
                .map(|rule| rule.text().parse().expect("a rule"))
                .collect()
        };
        let rules = Rules::new(read(&self.allow), read(&self.deny));
        let text = ADDRESSES[self.address].0;
        let address: IpAddr = text.parse().expect("an address");
        for by_name in [true, false] {
            let host = match by_name {
                true => Host::parse(NAMES[self.name]).expect("a name"),
                false => Host::Address(address),
            };
            let connect = match rules.connect(&host, self.port, self.inspect) {
                ConnectVerdict::Allow(_) => Ok(false),
                ConnectVerdict::Inspect => Ok(true),
                ConnectVerdict::Deny(denial) => Err(denial.reason),
            };
            assert_eq!(connect, self.connect(by_name), "connect {host} {self:?}");
            let request = match rules.request(&host, self.port, self.method, PATHS[self.path].0) {
                RequestVerdict::Allow(_) => Ok(()),
                RequestVerdict::Deny(denial) => Err(denial.reason),
            };
            assert_eq!(request, self.request(by_name), "request {host} {self:?}");
            let opened = self.opened();
            let given = rules
                .address(address, self.port)
                .map_err(|denial| denial.reason);
            assert_eq!(given, opened, "address {address} {self:?}");
            for inspected in [true, false] {
                let mut asked = self.clone();
                asked.inspect = inspected;
                let stays = match asked.connect(by_name) {
                    Ok(inspect) => inspect == inspected && (!by_name || opened.is_ok()),
                    Err(_) => false,
                };
                assert_eq!(
                    rules.still_allows(&host, self.port, address, inspected),
                    stays,
                    "stays {self:?}"
                );
            }
            let some_port = [80, 443].into_iter().any(|port| {
                let mut asked = self.clone();
                asked.port = port;
                asked.connect(by_name).is_ok()
            });
            if some_port {
                assert!(rules.lookup(&host).is_ok(), "lookup {host} {self:?}");
            }
            if !self
                .allow
                .iter()
                .any(|rule| rule.is_about(self, by_name, true))
            {
                assert!(rules.lookup(&host).is_err(), "lookup {host} {self:?}");
            }
        }
    }

    fn about<'a>(&'a self, rules: &'a [Rule], by_name: bool, allow: bool) -> Vec<&'a Rule> {
        let here = |rule: &&Rule| {
            PORTS[rule.ports].1.contains(&self.port) && rule.is_about(self, by_name, allow)
        };
        rules.iter().filter(here).collect()
    }

    /// Whether it is looked into.
    fn connect(&self, by_name: bool) -> Result<bool, Reason> {
        let allow = self.about(&self.allow, by_name, true);
        let deny = self.about(&self.deny, by_name, false);
        if deny.iter().any(|rule| rule.http.is_none()) {
            return Err(Reason::Denied);
        }
        if allow.is_empty() {
            return Err(match !by_name && ADDRESSES[self.address].1 {
                true => Reason::SpecialAddress,
                false => Reason::NotAllowed,
            });
        }
        Ok(self.inspect || !deny.is_empty() || allow.iter().all(|rule| rule.http.is_some()))
    }

    fn request(&self, by_name: bool) -> Result<(), Reason> {
        let allow = self.about(&self.allow, by_name, true);
        let deny = self.about(&self.deny, by_name, false);
        let path_rule = |rule: &&&Rule| rule.http.is_some_and(|(_, path)| path != 0);
        let meaning = |rule: &&&Rule| match rule.http {
            None => true,
            Some((methods, path)) => {
                let method = METHODS[methods].is_empty() || METHODS[methods].contains(self.method);
                let patterns = PATHS[self.path].1.unwrap_or_default();
                method && (path == 0 || patterns.contains(&path))
            }
        };
        if deny.iter().any(|rule| rule.http.is_none()) {
            return Err(Reason::Denied);
        }
        let ambiguous = PATHS[self.path].1.is_none();
        if ambiguous && allow.iter().chain(&deny).any(|rule| path_rule(&rule)) {
            return Err(Reason::Malformed);
        }
        if deny.iter().any(|rule| meaning(&rule)) {
            return Err(Reason::Denied);
        }
        match allow.iter().any(|rule| meaning(&rule)) {
            true => Ok(()),
            false => Err(Reason::NotAllowed),
        }
    }

    /// Whether the address may be a name's.
    fn opened(&self) -> Result<(), Reason> {
        if !self.about(&self.deny, false, false).is_empty() {
            return Err(Reason::Denied);
        }
        let allow = self.about(&self.allow, false, true);
        match ADDRESSES[self.address].1 && allow.iter().all(|rule| rule.http.is_some()) {
            true => Err(Reason::SpecialAddress),
            false => Ok(()),
        }
    }
}

impl Rule {
    fn text(&self) -> String {
        let to = match self.range {
            true => RANGES[self.to].0,
            false => PATTERNS[self.to],
        };
        let http = match self.http {
            None => String::new(),
            Some((0, 0)) => " *".into(),
            Some((methods, path)) => {
                format!(
                    " {} {}",
                    METHODS[methods],
                    PATTERN_PATHS[path].replace(' ', "%20")
                )
            }
        };
        format!("{to}{}{http}", PORTS[self.ports].0)
    }

    fn is_about(&self, case: &Case, by_name: bool, allow: bool) -> bool {
        match (self.range, by_name) {
            (true, false) => {
                let (_, prefix, addresses) = RANGES[self.to];
                let (_, _, longest) = ADDRESSES[case.address];
                addresses.contains(&case.address) && (!allow || prefix >= longest)
            }
            (false, true) => {
                let name: Vec<&str> = NAMES[case.name].split('.').collect();
                let pattern: Vec<&str> = PATTERNS[self.to].split('.').collect();
                let more = name.len().saturating_sub(pattern.len());
                let fits = match pattern[0] {
                    "*" => name.len() >= pattern.len(),
                    _ => name.len() == pattern.len(),
                };
                fits && pattern
                    .iter()
                    .zip(&name[more..])
                    .all(|(own, label)| *own == "*" || own == label)
            }
            _ => false,
        }
    }
}
