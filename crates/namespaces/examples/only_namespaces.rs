//! What this host offers, and the plan of a small view.
//!
//! `cargo run -p cofferdam-namespaces --example only_namespaces`

use cofferdam_namespaces::{Bind, View, probe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (name, feature) in probe().features() {
        match feature {
            Ok(()) => println!("{name}: yes"),
            Err(missing) => println!("{name}: no: {missing}"),
        }
    }
    let view = View::new()
        .bind("/usr", "/usr", Bind::READ_ONLY)
        .bind("/lib", "/lib", Bind::READ_ONLY.optional())
        .tmpfs("/tmp", 64 << 20, 0o1777, true)
        .hide_optional("/usr/local")
        .dev()
        .proc();
    print!("\n{}", view.prepare()?);
    Ok(())
}
