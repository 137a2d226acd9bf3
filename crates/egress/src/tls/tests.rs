//! Tests of TLS that is taken off, with authorities of the tests' own on the server's side.

use super::intercept::{Halves, TlsError};
use super::{Authority, Interception};
use crate::Host;
use crate::decision::Reason;
use crate::http::Version;
use cofferdam_policy::HostName;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An authority of servers.
struct Servers {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Servers {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(super::bundle(&[der]).as_bytes()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// A server with this name, whose certificate ends so long after now, and these protocols.
    fn server(&self, name: &str, valid: Duration, protocols: &[&[u8]]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = (SystemTime::now() - 2 * HOUR).into();
        params.not_after = (SystemTime::now() - HOUR + valid).into();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(super::intercept::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der], private)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        Arc::new(config).into()
    }
}

const HOUR: Duration = Duration::from_secs(3600);
type Protocols = &'static [&'static [u8]];
const BOTH: Protocols = &[b"h2", b"http/1.1"];

fn program(roots: &[CertificateDer<'static>], protocols: &[&[u8]]) -> TlsConnector {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.to_vec());
    let mut config = ClientConfig::builder_with_provider(super::intercept::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    Arc::new(config).into()
}

/// What comes of a program that offers these protocols and connects to this host through a gate.
struct Outcome {
    program: std::io::Result<tokio_rustls::client::TlsStream<DuplexStream>>,
    gate: Result<Halves<DuplexStream, DuplexStream>, TlsError>,
    /// What the server has agreed on, if anything.
    server: Option<tokio_rustls::server::TlsStream<DuplexStream>>,
}

async fn connect(host: &str, trusted: &Servers, server: TlsAcceptor, offer: &[&[u8]]) -> Outcome {
    let authority = Arc::new(Authority::generate().unwrap());
    let gate = Interception::new(Arc::clone(&authority), vec![trusted.file.path().to_owned()]);
    let (program_end, client) = duplex(1 << 16);
    let (upstream, server_end) = duplex(1 << 16);
    let root = CertificateDer::from(authority.der().to_vec());
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let host = match host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(HostName::parse(host).unwrap()),
    };
    let (program, gate, server) = tokio::join!(
        program(&[root], offer).connect(name, program_end),
        gate.take_off(client, upstream, &host),
        server.accept(server_end),
    );
    Outcome {
        program,
        gate,
        server: server.ok(),
    }
}

#[tokio::test]
async fn bytes_pass_and_protocols_are_the_servers() {
    let servers = Servers::new();
    let cases: [(Protocols, Protocols, Option<&[u8]>); 6] = [
        (BOTH, BOTH, Some(b"h2")),
        (BOTH, &[b"http/1.1"], Some(b"http/1.1")),
        (&[b"http/1.1"], BOTH, Some(b"http/1.1")),
        (BOTH, &[], None),
        (&[], BOTH, None),
        (&[b"other"], &[], None),
    ];
    for (offer, known, agreed) in cases {
        let server = servers.server("site.test", 2 * HOUR, known);
        let outcome = connect("site.test", &servers, server, offer).await;
        let (mut program, mut server) = (outcome.program.unwrap(), outcome.server.unwrap());
        let mut gate = outcome.gate.unwrap();
        assert_eq!(program.get_ref().1.alpn_protocol(), agreed);
        assert_eq!(server.get_ref().1.alpn_protocol(), agreed);
        assert_eq!(gate.version == Version::Http2, agreed == Some(b"h2"));
        program.write_all(b"up").await.unwrap();
        program.flush().await.unwrap();
        server.write_all(b"down").await.unwrap();
        server.flush().await.unwrap();
        let (mut up, mut down) = ([0; 2], [0; 4]);
        gate.client.read_exact(&mut up).await.unwrap();
        gate.server.read_exact(&mut down).await.unwrap();
        assert_eq!((&up, &down), (b"up", b"down"));
    }
}

#[tokio::test]
async fn an_address_has_a_certificate_too() {
    let servers = Servers::new();
    let server = servers.server("127.0.0.1", 2 * HOUR, BOTH);
    let outcome = connect("127.0.0.1", &servers, server, BOTH).await;
    assert!(outcome.program.is_ok() && outcome.gate.is_ok());
}

/// The gate refuses the server's certificate, and the program's handshake fails with an alert.
async fn refused(host: &str, trusted: &Servers, server: TlsAcceptor) {
    let outcome = connect(host, trusted, server, BOTH).await;
    let Err(error @ TlsError::Certificate(_)) = outcome.gate else {
        panic!("{:?}", outcome.gate.err());
    };
    assert_eq!(error.denial().reason, Reason::Certificate);
    let error = outcome.program.unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
    assert!(
        matches!(inner, Some(rustls::Error::AlertReceived(_))),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused() {
    let servers = Servers::new();
    let good = servers.server("site.test", 2 * HOUR, BOTH);
    assert!(
        connect("site.test", &servers, good, BOTH)
            .await
            .program
            .is_ok()
    );
    refused(
        "site.test",
        &servers,
        servers.server("other.test", 2 * HOUR, BOTH),
    )
    .await;
    refused(
        "site.test",
        &servers,
        servers.server("site.test", Duration::ZERO, BOTH),
    )
    .await;
    refused(
        "127.0.0.1",
        &servers,
        servers.server("127.0.0.2", 2 * HOUR, BOTH),
    )
    .await;
    let strangers = Servers::new();
    refused(
        "site.test",
        &servers,
        strangers.server("site.test", 2 * HOUR, BOTH),
    )
    .await;
}

#[tokio::test]
async fn a_program_that_does_not_trust_the_authority_is_told_of() {
    let servers = Servers::new();
    let authority = Arc::new(Authority::generate().unwrap());
    let other = Authority::generate().unwrap();
    let gate = Interception::new(authority, vec![servers.file.path().to_owned()]);
    let (program_end, client) = duplex(1 << 16);
    let (upstream, server_end) = duplex(1 << 16);
    let root = CertificateDer::from(other.der().to_vec());
    let host = Host::Name(HostName::parse("site.test").unwrap());
    let name = ServerName::try_from("site.test").unwrap();
    let server = servers.server("site.test", 2 * HOUR, BOTH);
    let (program, gate, _) = tokio::join!(
        program(&[root], BOTH).connect(name, program_end),
        async { gate.take_off(client, upstream, &host).await },
        server.accept(server_end),
    );
    assert!(program.is_err());
    // In TLS 1.3 the program's alert may come after the gate's side of the handshake is through.
    if let Ok(mut halves) = gate {
        assert!(halves.client.read_u8().await.is_err());
    }
}

#[tokio::test]
async fn bytes_that_are_no_handshake_are_an_error() {
    let servers = Servers::new();
    let authority = Arc::new(Authority::generate().unwrap());
    let gate = Interception::new(authority, vec![servers.file.path().to_owned()]);
    let (mut program, client) = duplex(1 << 16);
    let (upstream, _server) = duplex(1 << 16);
    program
        .write_all(b"\x16\x03\x01\x00\x05hello")
        .await
        .unwrap();
    let host = Host::Name(HostName::parse("site.test").unwrap());
    let outcome = gate.take_off(client, upstream, &host).await;
    assert!(matches!(outcome, Err(TlsError::Client(_))));
}

#[test]
fn authorities_differ_and_leaves_are_kept() {
    let one = Authority::generate().unwrap();
    let other = Authority::generate().unwrap();
    assert_ne!(one.der(), other.der());
    let host = |name: &str| Host::Name(HostName::parse(name).unwrap());
    let leaf = one.leaf(&host("a.test")).unwrap();
    assert!(Arc::ptr_eq(&leaf, &one.leaf(&host("A.test.")).unwrap()));
    assert!(!Arc::ptr_eq(&leaf, &one.leaf(&host("b.test")).unwrap()));
    for number in 0..1100 {
        one.leaf(&host(&format!("n{number}.test"))).unwrap();
    }
    assert!(!Arc::ptr_eq(&leaf, &one.leaf(&host("a.test")).unwrap()));
}

#[test]
fn roots_are_read_and_written() {
    let servers = Servers::new();
    let path = servers.file.path().to_owned();
    let with = super::roots(std::slice::from_ref(&path)).unwrap();
    let authority = Authority::generate().unwrap();
    let text = authority.bundle(&with);
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), with.len() + 1);
    assert!(text.ends_with(authority.pem()));
    let mut file = NamedTempFile::new().unwrap();
    assert!(super::roots(&[file.path().to_owned()]).is_err());
    file.write_all(text.as_bytes()).unwrap();
    assert!(super::roots(&[file.path().to_owned()]).unwrap().len() > with.len());
}

/// keytool reads the truststore, checking its digest, and finds every certificate.
#[test]
fn java_reads_the_truststore() {
    let authority = Authority::generate().unwrap();
    let other = Authority::generate().unwrap();
    let mut file = NamedTempFile::new().unwrap();
    let store = authority.java_truststore(&[CertificateDer::from(other.der().to_vec())]);
    file.write_all(&store).unwrap();
    let list = |password: &str| {
        std::process::Command::new("keytool")
            .args([
                "-J-Duser.language=en",
                "-list",
                "-storepass",
                password,
                "-keystore",
            ])
            .arg(file.path())
            .output()
    };
    let listed = match list("changeit") {
        Ok(listed) => String::from_utf8_lossy(&listed.stdout).into_owned(),
        Err(error) => {
            eprintln!("keytool is not installed ({error}); the truststore was not read");
            return;
        }
    };
    assert_eq!(listed.matches("trustedCertEntry").count(), 2, "{listed}");
    assert!(!list("changed").unwrap().status.success());
}

/// Serves connections to `localhost` through a gate; the port.
async fn serve_programs(authority: Arc<Authority>) -> u16 {
    use crate::http::{Service, Site, serve, tests::support};
    let servers = Servers::new();
    let gate = Arc::new(Interception::new(
        authority,
        vec![servers.file.path().to_owned()],
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = Host::Name(HostName::parse("localhost").unwrap());
    let acceptor = servers.server("localhost", 2 * HOUR, BOTH);
    tokio::spawn(async move {
        let _servers = servers;
        while let Ok((client, _)) = listener.accept().await {
            let (gate, host, acceptor) = (gate.clone(), host.clone(), acceptor.clone());
            tokio::spawn(async move {
                let (upstream, server) = duplex(1 << 16);
                tokio::spawn(async move {
                    if let Ok(server) = acceptor.accept(server).await {
                        support::echo_any(server).await;
                    }
                });
                let Ok(halves) = gate.take_off(client, upstream, &host).await else {
                    return;
                };
                let service = Service {
                    site: Site {
                        host,
                        port,
                        tls: true,
                        loopback: true,
                    },
                    judge: Arc::new(support::Notes::default()),
                    secrets: None,
                    totals: Arc::default(),
                };
                let _ = serve(halves.client, halves.server, halves.version, service).await;
            });
        }
    });
    port
}

/// What a program prints that gets `https://localhost:PORT/hello`, or none where it is not
/// installed.
async fn printed(mut command: tokio::process::Command) -> Option<String> {
    let out = match command.output().await {
        Ok(out) => out,
        Err(error) => {
            eprintln!("{command:?} is not installed: {error}");
            return None;
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(text(&out.stdout) + &text(&out.stderr))
}

#[tokio::test]
async fn programs_accept_the_leaf_with_the_authority_and_not_without() {
    use tokio::process::Command;
    let authority = Arc::new(Authority::generate().unwrap());
    let port = serve_programs(Arc::clone(&authority)).await;
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.pem");
    std::fs::write(&bundle, authority.bundle(&[])).unwrap();
    let store = directory.path().join("store.jks");
    std::fs::write(&store, authority.java_truststore(&[])).unwrap();
    let java = directory.path().join("Get.java");
    std::fs::write(&java, JAVA).unwrap();
    let url = format!("https://localhost:{port}/hello");
    let python = format!("import urllib.request as u; print(u.urlopen('{url}').read())");
    let node =
        format!("fetch('{url}').then(r=>r.text()).then(console.log,e=>console.log(e.cause))");
    for trusted in [true, false] {
        let mut commands = Vec::new();
        for version in ["--http1.1", "--http2"] {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-S", version, &url]);
            commands.push(curl);
        }
        let mut one = Command::new("python3");
        one.args(["-c", &python]);
        commands.push(one);
        let mut one = Command::new("node");
        one.args(["-e", &node]);
        commands.push(one);
        let mut one = Command::new("java");
        if trusted {
            one.arg(format!("-Djavax.net.ssl.trustStore={}", store.display()));
        }
        one.arg(&java).arg(&url);
        commands.push(one);
        for mut command in commands {
            if trusted {
                for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
                    command.env(name, &bundle);
                }
            }
            let program = format!("{command:?}");
            if let Some(text) = printed(command).await {
                assert_eq!(text.contains("GET "), trusted, "{program}: {text}");
            }
        }
    }
}

/// Gets a URL with HTTP/2, if the server speaks it.
const JAVA: &str = r#"
import java.net.URI;
import java.net.http.*;

class Get {
    public static void main(String[] arguments) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.version() + " " + answer.body());
    }
}
"#;
