//! The variables and files by which programs trust the gate's authority and find its proxy.

use super::sockets::{PROXY, SSH_AGENT};
use crate::error::BuildError;
use cofferdam_egress::Authority;
use std::ffi::OsString;
use std::path::PathBuf;

/// Certificates that programs inside trust: the system's and the gate's own.
const BUNDLE: &str = "/run/cofferdam/ca.pem";

/// The same for Java.
const TRUSTSTORE: &str = "/run/cofferdam/ca.jks";

/// Variables that name a bundle of certificates, each read by the programs named.
const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",                    // OpenSSL, Go, rustls
    "CURL_CA_BUNDLE",                   // curl, Python requests
    "REQUESTS_CA_BUNDLE",               // Python requests
    "PIP_CERT",                         // pip
    "NODE_EXTRA_CA_CERTS",              // Node
    "npm_config_cafile",                // npm
    "CARGO_HTTP_CAINFO",                // cargo
    "GIT_SSL_CAINFO",                   // git
    "AWS_CA_BUNDLE",                    // AWS clients
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", // gRPC
    "DENO_CERT",                        // Deno
    "NIX_SSL_CERT_FILE",                // Nix
];

/// The variables of a gate in the making.
#[derive(Debug, Default)]
pub(super) struct Variables {
    all: Vec<(OsString, OsString)>,
    java: Vec<String>,
}

impl Variables {
    /// Has programs trust the authority beside the host's own; the files that are needed.
    pub(super) fn trust(
        &mut self,
        authority: &Authority,
        further: &[PathBuf],
    ) -> Result<[(PathBuf, Vec<u8>); 2], BuildError> {
        let bundle = BUNDLE_VARIABLES.iter();
        self.all
            .extend(bundle.map(|name| (name.into(), BUNDLE.into())));
        self.java
            .push(format!("-Djavax.net.ssl.trustStore={TRUSTSTORE}"));
        self.java.push("-Djavax.net.ssl.trustStoreType=JKS".into());
        let roots = cofferdam_egress::roots(further)?;
        Ok([
            (BUNDLE.into(), authority.bundle(&roots).into_bytes()),
            (TRUSTSTORE.into(), authority.java_truststore(&roots)),
        ])
    }

    /// Sends programs that know of proxies to the gate's.
    pub(super) fn proxies(&mut self) {
        let proxy = format!("http://{PROXY}");
        // No SOCKS URL, though the proxy speaks that too: httpx, for one, does not start with one unless
        // a further package is there.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            for name in [name.to_owned(), name.to_ascii_lowercase()] {
                self.all.push((name.into(), (&proxy).into()));
            }
        }
        for name in ["NO_PROXY", "no_proxy"] {
            self.all
                .push((name.into(), "localhost,127.0.0.1,::1".into()));
        }
        self.all.push(("NODE_USE_ENV_PROXY".into(), "1".into()));
        for scheme in ["http", "https"] {
            self.java
                .push(format!("-D{scheme}.proxyHost={}", PROXY.ip()));
            self.java
                .push(format!("-D{scheme}.proxyPort={}", PROXY.port()));
        }
    }

    /// Tells ssh where the filtered agent is.
    pub(super) fn ssh_agent(&mut self) {
        self.all.push(("SSH_AUTH_SOCK".into(), SSH_AGENT.into()));
    }

    pub(super) fn finish(mut self) -> Vec<(OsString, OsString)> {
        if !self.java.is_empty() {
            let options = self.java.join(" ");
            self.all.push(("JAVA_TOOL_OPTIONS".into(), options.into()));
        }
        self.all
    }
}
