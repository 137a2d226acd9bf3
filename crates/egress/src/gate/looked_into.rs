//! Connections that are looked into: HTTP as it is, TLS taken off first.

use super::connection::By;
use super::judge::{Requests, Visit};
use super::shared::denial;
use crate::decision::{Denial, Reason};
use crate::http::{self, Judge, Service, Site, Totals, Version};
use crate::sniff::Sniff;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves a connection whose first bytes are HTTP or TLS; they have not been read yet.
pub(super) async fn serve(
    visit: &Arc<Visit>,
    by: By,
    client: TcpStream,
    server: TcpStream,
    sniff: Sniff,
    totals: &Arc<Totals>,
) -> Result<(), Denial> {
    let shared = &visit.environment.shared;
    let judge: Arc<dyn Judge> = Arc::new(Requests {
        visit: Arc::clone(visit),
        by,
    });
    let wanted = shared.secrets.wants(&visit.host, visit.port);
    let service = |tls| Service {
        site: Site {
            host: visit.host.clone(),
            port: visit.port,
            tls,
            loopback: visit
                .address
                .is_some_and(|address| address.ip().to_canonical().is_loopback()),
        },
        judge,
        secrets: wanted.then(|| Arc::clone(&shared.secrets)),
        totals: Arc::clone(totals),
    };
    let served = match sniff {
        Sniff::Http1 => http::serve(client, server, Version::Http1, service(false)).await,
        Sniff::Http2 => http::serve(client, server, Version::Http2, service(false)).await,
        _ => {
            let Some(interception) = &shared.interception else {
                return Err(denial(
                    Reason::Protocol,
                    "TLS is looked into only where the rules at the start asked for it, so that \
                     programs trust the gate; start the sandbox with these rules",
                ));
            };
            let taken = interception.take_off(client, server, &visit.host).await;
            let halves = taken.map_err(|error| error.denial())?;
            http::serve(halves.client, halves.server, halves.version, service(true)).await
        }
    };
    // Each refused request was told of; how a connection ends is its two sides' matter.
    drop(served);
    Ok(())
}
