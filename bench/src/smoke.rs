//! `smoke`: whether everything that is measured works, in a few rounds. For CI, where figures say nothing.

use crate::compare::MOUNTS;
use crate::contest::hold;
use crate::setting::{Setting, Until};
use crate::{density, steady};

/// Contenders that nothing needs to be installed for but bubblewrap.
const NEEDED: [&str; 13] = [
    "std",
    "vfork",
    "bwrap",
    "bwrap-filter",
    "mechanism",
    "template",
    "cold",
    "cold-events",
    "reused",
    "session",
    "pool",
    "command",
    "command-unrecorded",
];

/// Those among them that are measured with threads.
const THREADED: [&str; 3] = ["bwrap-filter", "mechanism", "reused"];

pub fn run() -> Result<(), String> {
    let plain = Setting::default();
    let first_byte = Setting {
        until: Until::FirstByte,
        ..plain.clone()
    };
    let shared = Setting {
        network: false,
        ..plain.clone()
    };
    let mounts = Setting {
        mounts: MOUNTS,
        ..plain.clone()
    };
    let threads = Setting {
        threads: 2,
        ..plain.clone()
    };
    let large = Setting {
        mib: 200,
        ..plain.clone()
    };
    for (setting, needed) in [
        (plain, &NEEDED[..]),
        (first_byte, &NEEDED),
        (shared, &NEEDED),
        (large.only(&THREADED), &THREADED),
        (mounts.only(&THREADED), &THREADED),
        (threads.only(&THREADED), &THREADED),
    ] {
        let outcome = hold(&setting, 2)?;
        for key in needed {
            let row = outcome
                .row(key)
                .map_err(|why| format!("{}: {why}", setting.title()))?;
            if !(row.median > 0.0 && row.rate.is_finite()) {
                return Err(format!("{}: no figures: {row:?}", setting.title()));
            }
        }
        println!(
            "{}: {} contenders work",
            setting.title(),
            outcome.rows.len()
        );
    }
    let steady = steady::run(3)?;
    println!("{} comparisons work", steady.lines.len());
    // Programs may be missing, calls and filters not.
    for key in ["getpid", "open+close", "install"] {
        steady.line(key)?;
    }
    let density = density::run(20)?;
    density.bubblewrap?;
    match density.alive {
        20 => Ok(()),
        alive => Err(format!("{alive} of 20 idle sessions worked")),
    }
}
