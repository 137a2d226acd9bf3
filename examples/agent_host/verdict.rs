//! From what was observed to a row of the table: the control, the wall, and what each layer is worth
//! by itself.

use crate::attacks::{Attack, Evidence};
use crate::stage::Stage;
use crate::table::{Mark, Row};
use crate::trial::{self, Observation};
use crate::walls::{self, BOMB_LIMIT, HOG_LIMIT, LOOP_LIMIT, Part, Wall};
use cofferdam::{Enforcement, Host, Layer, Sandbox};

/// Runs attacks and judges them.
pub struct Court<'a> {
    stage: &'a Stage,
    host: &'a Host,
    /// The walls that were built, or why one could not be.
    built: Vec<(Wall, Result<Sandbox, String>)>,
    /// What was in force around the attackers.
    pub enforcement: Option<Enforcement>,
}

impl<'a> Court<'a> {
    pub fn new(stage: &'a Stage, host: &'a Host) -> Self {
        Self {
            stage,
            host,
            built: Vec::new(),
            enforcement: None,
        }
    }

    /// Runs one attack outside, behind the wall, and behind parts of the wall.
    pub fn try_attack(&mut self, attack: Attack) -> Row {
        let row = Row::new(attack.title());
        let control = trial::run(attack, None, self.stage);
        let seen = control.as_ref().ok();
        if let Some(why) = attack.impossible(self.stage, seen) {
            return row.verdict(Mark::Missing, "no control", why, "not told");
        }
        match control.map(|seen| attack.judge(self.stage, &seen)) {
            Ok(Evidence::Through(_)) => {}
            Ok(Evidence::Held(why) | Evidence::Unknown(why)) | Err(why) => {
                let why = format!("without a wall it does not succeed either: {why}");
                return row.verdict(Mark::Bad, "no control", why, "not told");
            }
        }
        let seen = match self.run(attack, Wall::Full) {
            Ok(seen) => seen,
            Err(why) => return row.verdict(Mark::Bad, "failed", why, "not told"),
        };
        let row = row.used(seen.usage);
        match attack.judge(self.stage, &seen) {
            Evidence::Through(how) => row.verdict(Mark::Bad, "LEAKED", how, "none"),
            Evidence::Unknown(why) => row.verdict(Mark::Bad, "failed", why, "not told"),
            Evidence::Held(evidence) => {
                self.enforcement = seen.enforcement.clone();
                let worth = match attack.part() {
                    Some(part) => self.worth_of_part(attack, part, &seen),
                    None => self.worth_of_layers(attack),
                };
                let happened = format!("{}; {evidence}", seen.refusal());
                row.verdict(Mark::Good, "held", happened, worth)
            }
        }
    }

    fn run(&mut self, attack: Attack, wall: Wall) -> Result<Observation, String> {
        let known = self.built.iter().position(|(built, _)| *built == wall);
        let index = known.unwrap_or_else(|| {
            self.built
                .push((wall, walls::build(wall, self.stage, self.host)));
            self.built.len() - 1
        });
        let sandbox = self.built[index].1.as_ref().map_err(Clone::clone)?;
        trial::run(attack, Some((wall, sandbox)), self.stage)
    }

    /// Which layers hold an attack with all others switched off, each with the kernel's answer.
    fn worth_of_layers(&mut self, attack: Attack) -> String {
        let mut holding = Vec::new();
        let mut untold = Vec::new();
        let mut by_namespaces = None;
        for layer in Wall::LAYERS {
            let seen = match self.run(attack, Wall::Only(layer)) {
                Ok(seen) => seen,
                Err(why) => {
                    untold.push(format!("{layer} not told: {why}"));
                    continue;
                }
            };
            match attack.judge(self.stage, &seen) {
                Evidence::Through(_) => {}
                Evidence::Unknown(why) => untold.push(format!("{layer} not told: {why}")),
                Evidence::Held(_) => {
                    let refusal = seen.refusal();
                    // What stands on namespaces gets only what comes out differently.
                    if walls::stands_on_namespaces(layer)
                        && by_namespaces.as_ref() == Some(&refusal)
                    {
                        continue;
                    }
                    holding.push(format!("{layer} ({refusal})"));
                    if layer == Layer::Namespaces {
                        by_namespaces = Some(refusal);
                    }
                }
            }
        }
        if holding.is_empty() && untold.is_empty() {
            holding.push("no layer alone, only all together".into());
        }
        holding.append(&mut untold);
        holding.join(", ")
    }

    /// Whether an attack comes through when the part of the policy that is to hold it is left out.
    fn worth_of_part(&mut self, attack: Attack, part: Part, held: &Observation) -> String {
        let name = match part {
            Part::Environment => "list of variables".to_owned(),
            Part::Processes => limit(held, "processes", format!("processes {BOMB_LIMIT}")),
            Part::Memory => limit(held, "memory", format!("memory {HOG_LIMIT}")),
            Part::Time => format!("wall clock {} ms", LOOP_LIMIT.as_millis()),
        };
        let without = self.run(attack, Wall::Without(part));
        match without.map(|seen| attack.judge(self.stage, &seen)) {
            Ok(Evidence::Through(how)) => format!("{name} (without it: {how})"),
            Ok(Evidence::Held(how)) => format!("{name}, and more (without it still {how})"),
            Ok(Evidence::Unknown(why)) | Err(why) => format!("{name} (not told without it: {why})"),
        }
    }
}

/// A limit as what was in force says it.
fn limit(seen: &Observation, name: &str, otherwise: String) -> String {
    let report = seen
        .enforcement
        .as_ref()
        .and_then(|all| all.layer(Layer::Cgroup));
    let found = report.and_then(|report| {
        report
            .in_force
            .iter()
            .find(|text| text.starts_with(name))
            .cloned()
    });
    found.unwrap_or(otherwise)
}
