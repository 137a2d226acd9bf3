//! Against a small server that answers as the API's documentation describes it, as no package of a
//! real server is at hand.

use super::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::convert::Infallible;
use std::sync::Mutex as StdMutex;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CANARY: &str = "canary-0123456789";

/// What the server holds: the token it takes, and what was asked.
struct Server {
    token: StdMutex<String>,
    asked: StdMutex<Vec<String>>,
}

impl Server {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn answer(&self, request: Request<Incoming>) -> (u16, String) {
        let (parts, body) = request.into_parts();
        let header = |name| parts.headers.get(name).map_or("-", |v| v.to_str().unwrap());
        let path = parts.uri.path();
        let namespace = header("x-vault-namespace");
        let line = format!("{} {path} {namespace}", parts.method);
        self.asked.lock().unwrap().push(line);
        assert_eq!(header("x-vault-request"), "true");
        if path == "/v1/auth/approle/login" {
            let body = body.collect().await.unwrap().to_bytes();
            let login: Json = serde_json::from_slice(&body).unwrap();
            let good = json!({"role_id": "role", "secret_id": "secret-id-1"});
            if login != good {
                return (
                    400,
                    json!({"errors": ["invalid role or secret ID"]}).to_string(),
                );
            }
            let token = self.token.lock().unwrap().clone();
            let auth = json!({"client_token": token, "policies": ["default"], "lease_duration": 1200, "renewable": true});
            return (
                200,
                json!({"auth": auth, "lease_duration": 0, "data": null}).to_string(),
            );
        }
        if header("x-vault-token") != self.token.lock().unwrap().as_str() {
            return (403, json!({"errors": ["permission denied"]}).to_string());
        }
        let answer = match path {
            "/v1/secret/data/app/ci%20job" => json!({
                "request_id": "1", "lease_id": "", "lease_duration": 0, "renewable": false,
                "data": {
                    "data": {"token": CANARY, "count": 1},
                    "metadata": {"created_time": "2026-01-01T00:00:00Z", "destroyed": false, "version": 2},
                },
            }),
            "/v1/database/creds/app" => json!({
                "request_id": "2", "lease_id": "database/creds/app/1", "lease_duration": 1000,
                "renewable": true, "data": {"username": "v-app", "password": CANARY},
            }),
            "/v1/text" => return (200, format!("<html>{CANARY}")),
            "/v1/long" => return (200, format!("\"{}\"", "a".repeat(300 * 1024))),
            "/v1/broken" => return (500, json!({"errors": [CANARY]}).to_string()),
            "/v1/moved" => return (307, String::new()),
            _ => return (404, json!({"errors": []}).to_string()),
        };
        (200, answer.to_string())
    }
}

async fn serve(tls: Option<TlsAcceptor>) -> (Arc<Server>, u16) {
    let server = Arc::new(Server {
        token: StdMutex::new("token-canary-1".into()),
        asked: StdMutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&answering);
            let service = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move {
                    let (status, body) = server.answer(request).await;
                    let answer = Response::builder().status(status);
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(body))).unwrap())
                }
            });
            let tls = tls.clone();
            tokio::spawn(async move {
                let http = http1::Builder::new();
                match tls {
                    None => http
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok(),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => http
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                            .ok(),
                        Err(_) => None,
                    },
                }
            });
        }
    });
    (server, port)
}

/// A directory with the token in a file.
fn directory() -> (tempfile::TempDir, Credential) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "token-canary-1\n").unwrap();
    (directory, Credential::File(path))
}

fn settings(port: u16, login: Login) -> VaultSettings {
    VaultSettings {
        address: format!("http://127.0.0.1:{port}"),
        namespace: None,
        login,
        trust: Vec::new(),
    }
}

async fn value(provided: &Arc<dyn Provided>) -> Result<(String, Option<Duration>), String> {
    let value = provided.fetch().await;
    let value = value.map_err(|error| format!("{error} {error:?}"))?;
    let text = String::from_utf8(value.bytes.to_vec()).unwrap();
    Ok((text, value.ttl))
}

#[tokio::test]
async fn key_value_and_dynamic_secrets() {
    let (server, port) = serve(None).await;
    let (_directory, token) = directory();
    let mut settings = settings(port, Login::Token(token));
    settings.namespace = Some("team/a".into());
    let vault = Vault::new(settings).unwrap();
    let kv = vault.key_value("secret", "app/ci job", "token").unwrap();
    assert_eq!(value(&kv).await.unwrap(), (CANARY.into(), None));
    assert_eq!(server.asked(), ["GET /v1/secret/data/app/ci%20job team/a"]);
    let dynamic = vault.dynamic("database/creds/app", "password").unwrap();
    let lease = Duration::from_secs(900);
    assert_eq!(value(&dynamic).await.unwrap(), (CANARY.into(), Some(lease)));
}

#[tokio::test]
async fn a_token_that_ended_is_read_once_more() {
    let (server, port) = serve(None).await;
    let (directory, token) = directory();
    let vault = Vault::new(settings(port, Login::Token(token))).unwrap();
    let kv = vault.key_value("secret", "app/ci job", "token").unwrap();
    value(&kv).await.unwrap();
    *server.token.lock().unwrap() = "token-canary-2".into();
    server.asked();
    let error = value(&kv).await.unwrap_err();
    assert!(
        error.contains("403") && !error.contains("canary"),
        "{error}"
    );
    assert_eq!(server.asked().len(), 2, "once more, and no more");
    std::fs::write(directory.path().join("token"), "token-canary-2").unwrap();
    assert_eq!(value(&kv).await.unwrap().0, CANARY);
}

#[tokio::test]
async fn an_app_role_logs_in_and_again_when_its_token_ended() {
    let (server, port) = serve(None).await;
    let (directory, secret) = directory();
    let file = directory.path().join("token");
    std::fs::write(&file, "secret-id-1\n").unwrap();
    let role = Login::AppRole {
        mount: "approle".into(),
        role: "role".into(),
        secret,
    };
    let vault = Vault::new(settings(port, role)).unwrap();
    let kv = vault.key_value("secret", "app/ci job", "token").unwrap();
    assert_eq!(value(&kv).await.unwrap().0, CANARY);
    assert_eq!(value(&kv).await.unwrap().0, CANARY);
    let logins = |asked: Vec<String>| asked.iter().filter(|a| a.starts_with("POST")).count();
    assert_eq!(logins(server.asked()), 1);
    *server.token.lock().unwrap() = "token-canary-2".into();
    assert_eq!(value(&kv).await.unwrap().0, CANARY);
    assert_eq!(logins(server.asked()), 1);
    *server.token.lock().unwrap() = "token-canary-3".into();
    std::fs::write(&file, "secret-id-2\n").unwrap();
    let error = value(&kv).await.unwrap_err();
    assert!(
        error.contains("400") && !error.contains("secret-id"),
        "{error}"
    );
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_no_value() {
    let (_server, port) = serve(None).await;
    let (_directory, token) = directory();
    let vault = Vault::new(settings(port, Login::Token(token))).unwrap();
    let kv = |field| vault.key_value("secret", "app/ci job", field).unwrap();
    assert!(value(&kv("token")).await.is_ok(), "the control");
    let at = |path| vault.dynamic(path, "token").unwrap();
    for (provided, part) in [
        (kv("none"), "\"none\""),
        (kv("count"), "\"count\""),
        (vault.key_value("secret", "none", "token").unwrap(), "404"),
        (at("text"), "JSON"),
        (at("long"), "262144"),
        (at("broken"), "500"),
        (at("moved"), "307"),
    ] {
        let error = value(&provided).await.unwrap_err();
        assert!(
            error.contains(part) && !error.contains("canary"),
            "{part}: {error}"
        );
    }
    for path in ["", "/a", "a/", "a//b", "../sys", "a/./b"] {
        assert!(
            matches!(vault.dynamic(path, "x"), Err(VaultError::Path(_))),
            "{path}"
        );
    }
    assert!(!format!("{vault:?}").contains("canary"));
}

#[test]
fn plain_http_is_for_loopback_addresses_only() {
    for (address, good) in [
        ("http://127.0.0.1:8200", true),
        ("http://[::1]:8200", true),
        ("https://vault.example.com", true),
        ("https://vault.example.com/", true),
        ("https://192.0.2.1:8200", true),
        ("http://vault.example.com:8200", false),
        ("http://localhost:8200", false),
        ("http://192.0.2.1", false),
        ("https://me:canary@vault.example.com", false),
        ("https://vault.example.com/v1", false),
        ("vault.example.com", false),
        ("", false),
    ] {
        let settings = VaultSettings {
            address: address.into(),
            ..settings(
                1,
                Login::Token(Credential::Env("COFFERDAM_TEST_UNSET".into())),
            )
        };
        assert_eq!(Vault::new(settings).is_ok(), good, "{address}");
    }
}

#[tokio::test]
async fn tls_is_verified() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let (server, port) = serve(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let (directory, token) = directory();
    let trusted = directory.path().join("ca.pem");
    let encoded = data_encoding::BASE64_MIME.encode(ca.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}-----END CERTIFICATE-----\n");
    std::fs::write(&trusted, pem).unwrap();
    for (host, trust, good) in [
        ("127.0.0.1", vec![trusted.clone()], true),
        ("127.0.0.1", Vec::new(), false),
        ("localhost", vec![trusted], false),
    ] {
        let vault = Vault::new(VaultSettings {
            address: format!("https://{host}:{port}"),
            namespace: None,
            login: Login::Token(token.clone()),
            trust,
        });
        let kv = vault
            .unwrap()
            .key_value("secret", "app/ci job", "token")
            .unwrap();
        assert_eq!(value(&kv).await.is_ok(), good, "{host}");
        assert_eq!(server.asked().len(), usize::from(good), "{host}");
    }
}
