//! What is in force of the network layer.

use super::{Context, needs_namespaces, require, rules, without_namespaces};
use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use cofferdam_policy::{Enforce, Layer, NetworkMode};

/// The network layer's report; by now the other layers have said what they do for it.
pub(super) fn report(
    context: &Context<'_>,
    no_filter: bool,
    landlock: Option<&cofferdam_landlock::Prepared>,
    reports: &mut Vec<LayerReport>,
) -> Result<(), BuildError> {
    let network = &context.policy.network;
    let asked = context.policy.layers.network;
    let mut report = LayerReport::new(Layer::Network, asked);
    match network.mode {
        _ if asked == Enforce::Off => {}
        NetworkMode::None if context.own_network => {
            report.add("none: a network namespace with nothing but its loopback");
        }
        NetworkMode::Rules if context.own_network => {
            if let Some(egress) = context.egress {
                egress.report(&mut report);
            }
        }
        mode @ (NetworkMode::None | NetworkMode::Rules) => {
            if asked == Enforce::Require {
                let feature = match mode {
                    NetworkMode::Rules => "a network with rules",
                    _ => "no network",
                };
                return Err(needs_namespaces(Layer::Network, feature));
            }
            if mode == NetworkMode::Rules {
                report.weaker.push(without_namespaces(
                    "what the network's rules allow",
                    "there is no network at all instead",
                ));
            }
            if !no_filter {
                report.add("sockets of no family but AF_UNIX can be made (seccomp)");
            }
            report.weaker.push(without_namespaces(
                "a network namespace",
                "unix sockets of the host can be reached where their files can",
            ));
        }
        NetworkMode::Host => {
            report.add("the host's network, as the policy asks");
            let ports = [("connect", &network.connect), ("bind", &network.bind)];
            for (what, ports) in ports {
                let Some(ports) = ports else { continue };
                let feature = rules::port_feature(what);
                if landlock.is_some_and(|landlock| landlock.handled().contains(&feature)) {
                    report.add(format!("tcp {what} only to ports {ports:?} (Landlock)"));
                    if what == "connect" && no_filter {
                        let weakness = Weakness::new(
                            "connections to other ports",
                            "the seccomp layer is not in force, and Landlock sees neither MPTCP \
                             nor connections made by their first data",
                            "put up the seccomp layer",
                        );
                        require(asked, Layer::Network, weakness, &mut report)?;
                    }
                    continue;
                }
                let what = format!("tcp {what} by port");
                let brings = feature.abi();
                let weakness = match landlock {
                    Some(_) => Weakness::new(
                        what,
                        "this kernel's Landlock does not know it",
                        format!(
                            "Linux {} (Landlock ABI {brings}) brings it",
                            brings.kernel()
                        ),
                    ),
                    None => Weakness::new(
                        what,
                        "Landlock is not in force",
                        format!(
                            "put up the landlock layer, which knows ports since Linux {} (ABI {brings})",
                            brings.kernel()
                        ),
                    ),
                };
                require(asked, Layer::Network, weakness, &mut report)?;
            }
        }
        other => {
            return Err(BuildError::Unsupported {
                what: format!("network mode {other:?}"),
            });
        }
    }
    reports.push(report);
    Ok(())
}
