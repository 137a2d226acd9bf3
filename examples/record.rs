//! The record: what a sandbox did, under which tool call, and what it refused, told for a model.
//!
//! `cargo run --example record`

use cofferdam::audit::event::Context;
use cofferdam::audit::{Entry, Event};
use cofferdam::{Audit, Sandbox};
use std::error::Error;
use std::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    // Any sink will do: a channel of the host's own, a file, or a type that implements `Sink`.
    let (sink, entries) = mpsc::channel::<Entry>();
    let audit = Audit::builder().sink(sink).build();
    let sandbox = Sandbox::builder().audit(audit).build()?;

    let session = sandbox.start()?;
    let call = Context {
        span: Some("00f067aa0ba902b7".parse()?),
        ..Context::default()
    };
    let mut command = session.command("cat");
    let output = command.arg("/etc/shadow").under(&call).output()?;
    session.end();

    // What is for the model: two sentences that it can act on.
    for denial in &output.denials {
        println!("{}", denial.for_model());
    }
    let mut ended = None;
    for entry in entries.try_iter() {
        let Context { command, span, .. } = entry.context;
        println!("{command:?} {span:?} {:?}", entry.event);
        if let Event::CommandEnded { code, .. } = entry.event {
            ended = code.zip(span);
        }
    }
    match (&output.denials[..], ended) {
        ([denial], Some((1, span))) if Some(span) == call.span => {
            let as_told = denial.what == "read /etc/shadow";
            as_told.then_some(()).ok_or("another denial".into())
        }
        _ => Err("not as it should be".into()),
    }
}
