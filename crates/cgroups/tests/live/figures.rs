//! Figures that are kept without a limit.

use crate::support::{NONE, assert_gone, has_peak, parent, remove, start, wait};
use cofferdam_cgroups::{Controller, Figures, probe};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn full_figures_come_without_limits() {
    let Some(parent) = parent(&NONE, Figures::Full) else {
        return;
    };
    let group = Arc::new(parent.create(&NONE).unwrap());
    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    assert!(wait(start(&group, "/bin/sh", &["-c", busy])).success());
    let has_peak = has_peak(&group);
    let stats = remove(group);
    let offered = |controller| probe().controller(controller).unwrap().is_ok();
    assert_eq!(
        stats.memory_peak.is_some(),
        offered(Controller::Memory) && has_peak,
        "{stats:?}"
    );
    assert_eq!(
        stats.tasks.is_some(),
        offered(Controller::Pids),
        "{stats:?}"
    );
    assert!(stats.cpu_total.unwrap() > Duration::ZERO, "{stats:?}");
    assert!(
        stats.cpu_user.unwrap() <= stats.cpu_total.unwrap(),
        "{stats:?}"
    );
    assert_gone(parent);
}
