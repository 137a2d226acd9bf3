//! Each operation of each shape's plan fails in turn.

use crate::ground::Place;
use crate::shape::SHAPES;
use crate::{is_root, lacks};
use std::io::Write;
use std::process::Stdio;

pub fn sweep() -> Result<(), String> {
    let mut total = 0;
    for shape in SHAPES {
        if shape.limits && !is_root() {
            println!("{}: not for this user", shape.name);
            continue;
        }
        let place = Place::new();
        let mut host = place.host("--operations", shape.name);
        let mut host = host.stdin(Stdio::piped()).spawn().expect("a host");
        let mut stdin = host.stdin.take().expect("piped");
        stdin.write_all(b"g").expect("a host that reads");
        let status = host.wait().expect("a host");
        let (said, complaint) = place.said();
        if complaint.contains("Unavailable") || complaint.contains("cannot be had") {
            lacks(&format!("what {} needs: {complaint}", shape.name))?;
            continue;
        }
        let points = said.iter().find(|(what, _)| what == "points");
        let over = said.iter().any(|(what, _)| what == "over");
        let (Some((_, points)), true, true) = (points, over, status.success()) else {
            return Err(format!("{}: {status}: {complaint}", shape.name));
        };
        total += points.parse::<usize>().expect("a number");
        println!("{}: {points} operations", shape.name);
        let left = place.left(host.id());
        if !left.is_empty() {
            return Err(format!("{}: left: {left:?}", shape.name));
        }
    }
    println!("{total} operations failed, and nothing ran and nothing was left");
    Ok(())
}
