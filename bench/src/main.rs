//! `cargo run --release -p bench -- compare [ROUNDS]`: from the spawn of `/bin/true` to its end, beside
//! bubblewrap. `… -- first-byte [ROUNDS]`: from the spawn of `/bin/echo` to the first byte it writes, beside
//! `std::process::Command`. `… -- gate [ROUNDS]`: connections out of a sandbox. `… -- audit [ROUNDS]`: events into the
//! record, a thousand in each round. `… -- record [ROUNDS]`: what a recorded sandbox costs.

#![forbid(unsafe_code)]

mod audit;
mod contender;
mod exit;
mod first_byte;
mod gate;
mod record;

use contender::race;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if gate::helper() {
        return;
    }
    if std::env::args().nth(1).as_deref() == Some("starter") {
        return record::starter();
    }
    let (verb, rounds) = (arguments.next(), arguments.next());
    let rounds = rounds.map_or(Ok(300), |rounds| rounds.parse::<usize>());
    match (verb.as_deref(), rounds) {
        (Some("compare"), Ok(rounds)) if rounds > 0 => {
            let title = "spawn to exit of /bin/true";
            race(title, exit::contenders(), "bubblewrap", rounds);
        }
        (Some("first-byte"), Ok(rounds)) if rounds > 0 => {
            let title = "spawn to first byte of /bin/echo";
            race(
                title,
                first_byte::contenders(),
                "std::process::Command",
                rounds,
            );
        }
        (Some("audit"), Ok(rounds)) if rounds > 0 => audit::run(rounds),
        (Some("gate"), Ok(rounds)) if rounds > 0 => gate::run(rounds),
        (Some("record"), Ok(rounds)) if rounds > 0 => record::run(rounds),
        _ => {
            eprintln!("usage: bench compare|first-byte|gate|audit|record [ROUNDS]");
            std::process::exit(2);
        }
    }
}
