//! What `probe` says, against what can be had.

use crate::support::{MIB, NONE, is_root};
use cofferdam_cgroups::{Controller, CpuQuota, Errno, Limits, Parent, PrepareError, Reason, probe};
use std::fs;

#[test]
fn probing_changes_nothing_and_agrees_with_preparing() {
    let before = fs::read_to_string("/proc/self/cgroup").unwrap();
    let support = probe();
    assert_eq!(fs::read_to_string("/proc/self/cgroup").unwrap(), before);
    println!("{support}");
    for controller in Controller::LIMITING {
        let limits = match controller {
            Controller::Memory => Limits {
                memory: Some(64 * MIB),
                ..NONE
            },
            Controller::Pids => Limits {
                processes: Some(9),
                ..NONE
            },
            Controller::Cpu => Limits {
                cpus: Some(CpuQuota::cpus(2.0)),
                ..NONE
            },
            _ => Limits {
                io_weight: Some(100),
                ..NONE
            },
        };
        match (
            support.controller(controller).unwrap(),
            Parent::prepare(&limits),
        ) {
            (Ok(place), Ok(parent)) => {
                assert!(
                    parent
                        .directories()
                        .iter()
                        .any(|each| each.starts_with(&place.base))
                );
            }
            // The kernel has the controller, but shows the files of its limits in groups only.
            (
                Ok(_),
                Err(PrepareError::MissingFile {
                    controller: named, ..
                }),
            ) => {
                assert_eq!(named, controller);
            }
            (Err(probed), Err(PrepareError::Unavailable(refusal))) => {
                assert_eq!(probed, &*refusal);
            }
            (probed, prepared) => panic!("{probed:?} {prepared:?}"),
        }
    }
    if !is_root() {
        // A directory that this user cannot write to is named with the kernel's answer.
        for (controller, place) in &support.controllers {
            if let Err(refusal) = place {
                assert_eq!(refusal.controller, Some(*controller));
                if refusal.reason == Reason::NotWritable {
                    let denied = [Errno(libc::EACCES), Errno(libc::EROFS)];
                    assert!(denied.contains(&refusal.errno.unwrap()), "{refusal:?}");
                }
            }
        }
    }
}
