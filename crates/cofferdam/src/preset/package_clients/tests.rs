//! Sample settings, with hosts that nobody has.

use super::{PackageClients, Source, apt, cargo, go, npm, pip, text, url};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

/// A host of its own: files, variables, and clients that answer.
struct Host {
    held: tempfile::TempDir,
    variables: BTreeMap<&'static str, &'static str>,
    answers: BTreeMap<&'static str, &'static str>,
    asked: RefCell<Vec<String>>,
}

impl Host {
    fn new() -> Self {
        Self {
            held: tempfile::tempdir().expect("a directory"),
            variables: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: RefCell::default(),
        }
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.held.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn find(&self) -> PackageClients {
        let variable = |name: &str| self.variables.get(name).map(|value| (*value).to_owned());
        let begins = |prefix: &str| {
            let all = self
                .variables
                .iter()
                .filter(|(name, _)| name.starts_with(prefix));
            all.map(|(name, value)| ((*name).into(), (*value).into()))
                .collect()
        };
        let ask = |program: &str, arguments: &[&str]| {
            let line = format!("{program} {}", arguments.join(" "));
            let answer = self
                .answers
                .iter()
                .find(|(start, _)| line.starts_with(**start));
            self.asked.borrow_mut().push(line);
            answer.map(|(_, text)| (*text).to_owned())
        };
        PackageClients::find_in(&Source {
            home: &self.held.path().join("home"),
            root: self.held.path(),
            variable: &variable,
            variables: &begins,
            ask: &ask,
            installed: &|name| {
                let mut known = self.answers.keys();
                known.any(|line| line.split(' ').next() == Some(name))
            },
        })
    }
}

fn hosts(found: &PackageClients) -> Vec<String> {
    let all = found.hosts.iter();
    all.map(|(host, port)| format!("{host}:{port}")).collect()
}

fn says(found: &PackageClients, text: &str) -> bool {
    found.notes.iter().any(|note| note.text.contains(text))
}

#[test]
fn urls() {
    let read = |text| url::parse(text).map(|url| (url.host, url.port, url.plain));
    let is = |host: &str, port, plain: &str| Ok((host.to_owned(), port, plain.to_owned()));
    for (text, expected) in [
        (
            "https://a.example.com/simple/",
            is("a.example.com", 443, "https://a.example.com/simple/"),
        ),
        (
            "http://A.Example.com",
            is("a.example.com", 80, "http://A.Example.com"),
        ),
        (
            "https://a.example.com:8443/x?y#z",
            is("a.example.com", 8443, "https://a.example.com:8443/x?y#z"),
        ),
        (
            "sparse+https://a.example.com/",
            is("a.example.com", 443, "sparse+https://a.example.com/"),
        ),
        (
            "git+ssh://git@a.example.com/x",
            is("a.example.com", 22, "git+ssh://a.example.com/x"),
        ),
        (
            "https://user:p%40ss@a.example.com/",
            is("a.example.com", 443, "https://a.example.com/"),
        ),
        (
            "https://user:p@ss@a.example.com/",
            is("a.example.com", 443, "https://a.example.com/"),
        ),
        (
            "http://192.0.2.7:3141/",
            is("192.0.2.7", 3141, "http://192.0.2.7:3141/"),
        ),
        (
            "http://[2001:db8::7]:3141/",
            is("2001:db8::7", 3141, "http://[2001:db8::7]:3141/"),
        ),
        ("/opt/wheels", Err(url::UrlError::Local)),
        ("file:///opt/wheels", Err(url::UrlError::Local)),
        ("gopher://a.example.com", Err(url::UrlError::Scheme)),
        ("a.example.com", Err(url::UrlError::Scheme)),
        ("https://", Err(url::UrlError::Authority)),
        ("https://a.example.com:0/", Err(url::UrlError::Authority)),
        (
            "https://a.example.com:70000/",
            Err(url::UrlError::Authority),
        ),
        ("https://*.example.com/", Err(url::UrlError::Authority)),
        ("https://::1/", Err(url::UrlError::Authority)),
        ("https://[a.example.com]/", Err(url::UrlError::Authority)),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn sections_and_assignments() {
    let (settings, malformed) = text::sections(
        "[global]\n# no\nindex-url = https://a.example.com/\nextra-index-url =\n  https://b.example.com/\n\tc\nbroken\n",
    );
    assert_eq!(malformed, [7]);
    assert_eq!(settings[1].2, "\nhttps://b.example.com/\nc");
    let (settings, malformed) = text::assignments("a=b\n;c=d\ne = \"f\"\ng\nh i\n");
    assert_eq!(malformed, [5]);
    let expected = [("a", "b"), ("e", "f"), ("g", "true")];
    assert_eq!(
        settings,
        expected.map(|(key, value)| (key.into(), value.into()))
    );
    let set = |name: &str| (name == "HOST").then(|| "a.example.com".to_owned());
    assert_eq!(
        text::expanded("x${HOST}y${NONE?}", &set).as_deref(),
        Some("xa.example.comy")
    );
    assert_eq!(text::expanded("${NONE}", &set), None);
    assert_eq!(text::expanded("${HOST", &set), None);
}

#[test]
fn nothing_is_asked_where_no_client_is() {
    let host = Host::new();
    let found = host.find();
    assert!(
        found.hosts.is_empty() && found.notes.is_empty(),
        "{found:?}"
    );
    assert!(host.asked.borrow().is_empty());
}

#[test]
fn pip_by_files_and_variables() {
    let mut host = Host::new();
    host.file(
        "etc/pip.conf",
        "[global]\nindex-url = https://least.example.com/simple\n",
    );
    host.file(
        "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://u:canary@user.example.com/simple\nextra-index-url =\n  https://x.example.com/s\n  http://y.example.com:8080/s\n[install]\nfind-links = /opt/wheels https://links.example.com/\n",
    );
    let found = host.find();
    let expected = [
        "links.example.com:443",
        "user.example.com:443",
        "x.example.com:443",
        "y.example.com:8080",
    ];
    assert_eq!(hosts(&found), expected);
    let variables = &found.variables;
    assert_eq!(
        variables["PIP_INDEX_URL"],
        "https://user.example.com/simple"
    );
    assert_eq!(variables["PIP_FIND_LINKS"], "https://links.example.com/");
    assert!(says(&found, "user.example.com holds a password"));
    assert!(!format!("{found:?}").contains("canary"));

    host.variables
        .insert("PIP_INDEX_URL", "https://variable.example.com/simple");
    host.variables
        .insert("PIP_PROXY", "http://proxy.example.com:3128");
    let found = host.find();
    assert!(hosts(&found).contains(&"variable.example.com:443".into()));
    assert!(
        !hosts(&found)
            .iter()
            .any(|at| at.starts_with("proxy") || at.starts_with("user."))
    );
    assert!(says(&found, "names a proxy"));
}

#[test]
fn pip_is_asked_for_what_is_not_configured() {
    let help = "  -i, --index-url <url>       Base URL of the Index (default\n                 https://default.example.com/simple). This should\n  --extra-index-url <url>  Extra (default https://wrong.example.com)\n";
    assert_eq!(
        pip::default_index(help).as_deref(),
        Some("https://default.example.com/simple")
    );
    assert_eq!(
        pip::default_index(
            "--index-url <url> no default --extra <url> (default https://w.example.com)"
        ),
        None
    );
    let report = r#"{"install":[{"download_info":{"url":"https://files.example.com/a.whl"}}]}"#;
    let mut host = Host::new();
    host.answers.insert("pip3 install --help", help);
    host.answers.insert("pip3 install --dry-run", report);
    assert_eq!(
        hosts(&host.find()),
        ["default.example.com:443", "files.example.com:443"]
    );
    host.answers.insert("pip3 install --dry-run", "{}");
    let found = host.find();
    assert_eq!(hosts(&found), ["default.example.com:443"]);
    assert!(says(&found, "files on another host"));
    host.variables.insert("PIP_NO_INDEX", "1");
    assert!(hosts(&host.find()).is_empty());
}

#[test]
fn npm_by_file_and_variables() {
    let mut host = Host::new();
    host.file(
        "home/.npmrc",
        "registry=https://npm.example.com/\n@team:registry=https://${TEAM}/npm/\n//npm.example.com/:_authToken=canary\n",
    );
    host.variables.insert("TEAM", "team.example.com");
    let found = host.find();
    assert_eq!(
        hosts(&found),
        ["npm.example.com:443", "team.example.com:443"]
    );
    let variables = &found.variables;
    assert_eq!(variables["npm_config_registry"], "https://npm.example.com/");
    assert_eq!(
        variables["npm_config_@team:registry"],
        "https://team.example.com/npm/"
    );
    assert!(!format!("{found:?}").contains("canary"));
    host.variables
        .insert("npm_config_registry", "http://other.example.com:4873");
    host.variables
        .insert("npm_config_https_proxy", "http://proxy.example.com:3128");
    host.variables.remove("TEAM");
    let found = host.find();
    assert_eq!(hosts(&found), ["other.example.com:4873"]);
    assert!(says(&found, "names a proxy") && says(&found, "variable that is not set"));
    let last = npm::registries(&[
        ("registry".into(), "a".into()),
        ("registry".into(), "b".into()),
    ]);
    assert_eq!(last.default.as_deref(), Some("b"));
}

#[test]
fn npm_is_asked() {
    let mut host = Host::new();
    host.answers
        .insert("npm config get registry", "https://npm.example.com/\n");
    host.answers
        .insert("npm view", "https://tar.example.com/npm.tgz\n");
    assert_eq!(
        hosts(&host.find()),
        ["npm.example.com:443", "tar.example.com:443"]
    );
    host.answers.remove("npm view");
    assert!(says(&host.find(), "files on another host"));
}

#[test]
fn cargo_by_file_index_and_variables() {
    let mut host = Host::new();
    host.file(
        "home/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = 'mirror'\n[source.mirror]\nregistry = 'sparse+https://u:canary@mirror.example.com/index/'\n[registries.own]\nindex = 'https://own.example.com/git'\ntoken = 'canary'\n[http]\nproxy = 'proxy.example.com:3128'\n",
    );
    host.file(
        "home/.cargo/registry/index/fetched.example.com-0123456789abcdef/config.json",
        r#"{"dl": "https://crates.example.com:8443/dl", "api": "https://api.example.com"}"#,
    );
    host.file(
        "home/.cargo/registry/index/empty.example.com-0123456789abcdef/.cache/x",
        "",
    );
    host.variables.insert(
        "CARGO_REGISTRIES_MORE_INDEX",
        "sparse+https://more.example.com/",
    );
    host.answers.insert("cargo", "");
    let found = host.find();
    let expected = [
        "api.example.com:443",
        "crates.example.com:8443",
        "fetched.example.com:443",
        "mirror.example.com:443",
        "more.example.com:443",
        "own.example.com:443",
    ];
    assert_eq!(hosts(&found), expected);
    assert!(!format!("{found:?}").contains("canary"));
    assert!(says(&found, "names a proxy"));
    let (path, kept) = found.files.first_key_value().expect("a file");
    assert!(path.ends_with(".cargo/config.toml"));
    let kept = cargo::Settings::read(kept).expect("TOML");
    assert_eq!(
        kept.indexes,
        [
            "sparse+https://mirror.example.com/index/",
            "https://own.example.com/git"
        ]
    );
    assert!(kept.replaced && !kept.proxy);
    assert!(host.asked.borrow().is_empty());
}

#[test]
fn cargo_without_any_index_is_asked() {
    let mut host = Host::new();
    host.answers.insert("cargo", "");
    let found = host.find();
    assert!(says(&found, "default index is not known"));
    assert!(host.asked.borrow()[0].contains("cargo info"));
    host.file("home/.cargo/config.toml", "[source");
    assert!(says(&host.find(), "is no TOML"));
    assert_eq!(
        cargo::of_directory("a-b.example.com-0123456789abcdef"),
        Some("a-b.example.com")
    );
    assert_eq!(cargo::of_directory("a.example.com"), None);
}

#[test]
fn apt_sources() {
    let host = Host::new();
    host.file(
        "etc/apt/sources.list",
        "deb [arch=amd64 signed-by=/k] http://u:canary@deb.example.com/debian stable main # canary\n# deb http://u:canary@no.example.com x\ndeb-src https://src.example.com:8443/ s m\n",
    );
    host.file(
        "etc/apt/sources.list.d/a.sources",
        "Types: deb\nURIs: http://one.example.com/x\n # no\n http://two.example.com/\nSuites: s\n\nTypes: deb\nEnabled: no\nURIs: http://off.example.com/\n",
    );
    host.file(
        "etc/apt/sources.list.d/b.list.disabled",
        "deb http://no.example.com/ x y\n",
    );
    host.file(
        "etc/apt/sources.list.d/c.list",
        "deb mirror+file:/etc/m x y\ndeb http://u:canary@h:0/ x y\ndebian x\n",
    );
    let found = host.find();
    let expected = [
        "deb.example.com:80",
        "one.example.com:80",
        "src.example.com:8443",
        "two.example.com:80",
    ];
    let shown = hosts(&found);
    assert_eq!(shown, expected);
    assert!(says(&found, "mirror+file") && says(&found, "lines [3] are no sources"));
    assert!(!format!("{found:?}").contains("canary"));
    assert!(apt::proxy(
        "Acquire::http::Proxy \"http://p.example.com:3128\";"
    ));
    assert!(!apt::proxy(
        "Acquire::http::Proxy \"DIRECT\";\nAcquire::http::Pipeline-Depth \"5\";"
    ));
}

#[test]
fn a_password_of_a_source_that_is_off_or_named_oddly_stays_outside() {
    let host = Host::new();
    host.file(
        "etc/apt/sources.list.d/a.sources",
        "Types: deb\nEnabled: no\nURIs: https://u:canary@off.example.com/x https://off.example.com/y\n\n\
         URIs:https://u:canary@a.example.com/z\nX=https://a.test,http://u:canary@b.test/x|direct\n",
    );
    // What is left out is part of what is not.
    host.file(
        "etc/apt/sources.list.d/b.list",
        "deb @b.example.com x y\ndeb [o=http://u:canary@o.example.com] https://u:canary@b.example.com/ x y\n",
    );
    let found = host.find();
    let files: Vec<&String> = found.files.values().collect();
    assert_eq!(
        files,
        [
            "Types: deb\nEnabled: no\nURIs: https://off.example.com/x https://off.example.com/y\n\n\
             URIs:https://a.example.com/z\nX=https://a.test,http://b.test/x|direct\n",
            "deb  x y\ndeb [o=http://o.example.com] https://b.example.com/ x y\n",
        ]
    );
    let mut host = Host::new();
    let proxies = "@go.example.com,https://u:canary@go.example.com|off";
    host.variables.insert("GOPROXY", proxies);
    let found = host.find();
    assert_eq!(found.variables["GOPROXY"], ",https://go.example.com|off");
    let two = "https://a.example.com https://u:canary@b.example.com";
    host.variables.insert("npm_config_registry", two);
    let found = host.find();
    assert!(!format!("{found:?}").contains("canary") && says(&found, "white space"));
}

#[test]
fn go_by_variable_file_and_command() {
    let mut host = Host::new();
    host.variables.insert(
        "GOPROXY",
        "https://u:canary@go.example.com|https://b.example.com,direct",
    );
    host.file("home/.config/go/env", "GOSUMDB=sum.example.com+0123+abc\n");
    let found = host.find();
    assert_eq!(
        hosts(&found),
        [
            "b.example.com:443",
            "go.example.com:443",
            "sum.example.com:443"
        ]
    );
    assert!(says(&found, "says direct"));
    assert!(!format!("{found:?}").contains("canary"));
    assert_eq!(go::database("off"), None);
    assert_eq!(
        go::database("n https://u.example.com/s").as_deref(),
        Some("https://u.example.com/s")
    );
    host.variables.clear();
    host.answers.insert("go env GOPROXY", "off\n");
    host.answers.insert("go env GOSUMDB", "off\n");
    host.file("home/.config/go/env", "");
    assert!(hosts(&host.find()).is_empty());
}

#[test]
fn rules_name_hosts_ports_and_private_addresses() {
    let mut found = PackageClients::default();
    for (host, port) in [
        ("mirror.example.com", 443),
        ("192.0.2.7", 3141),
        ("a..b", 1),
    ] {
        found.hosts.insert((host.into(), port));
    }
    let private = "10.0.0.7".parse().expect("an address");
    let public = "192.0.2.1".parse().expect("an address");
    let rules = found.rules_with(|address| address == private, |_, _| vec![private, public]);
    assert_eq!(rules.len(), 3, "{rules:?}");
    assert!(
        rules
            .iter()
            .all(|rule| rule.http.is_none() && !rule.ports.contains(444))
    );
    assert!(says(&found, "is no name of a host"));
}

#[test]
fn a_client_is_asked_for_a_limited_time_and_only_believed_when_it_succeeds() {
    assert_eq!(super::ask("echo", &["hello"]).as_deref(), Some("hello\n"));
    assert_eq!(super::ask("sh", &["-c", "echo hello; exit 1"]), None);
    assert_eq!(super::ask("cofferdam-no-such-program", &[]), None);
    assert!(super::ask::installed("sh") && !super::ask::installed("cofferdam-no-such-program"));
}
