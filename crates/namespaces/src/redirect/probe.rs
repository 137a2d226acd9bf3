//! Whether this host redirects, tried out once.

use super::Redirect;
use super::messages::{Makes, makes};
use crate::Missing;
use cofferdam_sys::Errno;
use cofferdam_sys::netlink::{self, Step};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

/// What can be redirected besides IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv6 works in new network namespaces, and is redirected there.
    pub ipv6: bool,
}

/// Whether connections can be redirected in a new network namespace, tried out by connecting through a
/// [`Redirect`] in a child that ends at once. It is done once in this process; later calls give the same
/// answer, also when a missing module was loaded meanwhile.
///
/// # Errors
/// What is missing, and the remedy.
pub fn probe_redirect() -> Result<Families, Missing> {
    static FOUND: OnceLock<Result<Families, Missing>> = OnceLock::new();
    FOUND.get_or_init(try_out).clone()
}

fn try_out() -> Result<Families, Missing> {
    // A kernel without IPv6 has no such file. With it, the namespace may still have been told to have
    // no addresses.
    if Path::new("/proc/net/if_inet6").exists() && try_families(true).is_ok() {
        return Ok(Families { ipv6: true });
    }
    match try_families(false) {
        Ok(()) => Ok(Families { ipv6: false }),
        Err((step, errno)) => Err(diagnose(step, errno)),
    }
}

/// For documentation (RFC 5737, RFC 3849), so that nobody is meant.
const SOMEWHERE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SOMEWHERE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn try_families(ipv6: bool) -> Result<(), (Step, Errno)> {
    // Any two ports.
    let (asked, port) = (443, 53);
    let connections = [
        (
            SocketAddr::from((SOMEWHERE_V4, asked)),
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ),
        (
            SocketAddr::from((SOMEWHERE_V6, asked)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ),
    ];
    let prepared = Redirect { port, ipv6 }.prepare();
    let connections = match ipv6 {
        true => &connections[..],
        false => &connections[..1],
    };
    netlink::probe_redirect(prepared.trial(connections))
}

fn diagnose(step: Step, errno: Errno) -> Missing {
    let module = |module| Missing::NetfilterModule { module };
    match (step, errno.raw()) {
        (Step::Rule(0), libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => module("nf_tables"),
        (Step::Rule(sequence), libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
            match makes(sequence) {
                Makes::Table => module("nf_tables"),
                Makes::Chain => module("nft_chain_nat"),
                Makes::Rule => module("nft_redir"),
            }
        }
        _ => Missing::Refused {
            step: match step {
                Step::Clone => "making a network namespace",
                Step::Loopback => "bringing the loopback up in the new namespace",
                Step::Route(_) => "adding a route in the new namespace",
                Step::Rule(_) => "adding nftables rules in the new namespace",
                Step::Listen => "listening at port 53 in the new namespace",
                Step::Connect => "connecting through nftables in the new namespace",
            },
            errno,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_remedy() {
        for (sequence, errno, module) in [
            (0, libc::EPROTONOSUPPORT, "nf_tables"),
            (1, libc::EOPNOTSUPP, "nf_tables"),
            (2, libc::EAFNOSUPPORT, "nf_tables"),
            (3, libc::ENOENT, "nft_chain_nat"),
            (4, libc::ENOENT, "nft_redir"),
            (5, libc::ENOENT, "nft_redir"),
            (7, libc::ENOENT, "nft_chain_nat"),
            (9, libc::ENOENT, "nft_redir"),
        ] {
            let missing = diagnose(Step::Rule(sequence), Errno(errno));
            assert_eq!(missing, Missing::NetfilterModule { module }, "{sequence}");
            assert!(missing.to_string().contains(&format!("modprobe {module}")));
        }
        for step in [Step::Rule(3), Step::Loopback] {
            let missing = diagnose(step, Errno(libc::EPERM));
            assert!(matches!(missing, Missing::Refused { .. }), "{missing:?}");
        }
    }
}
