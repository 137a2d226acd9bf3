fn main() {
    let sandbox = cofferdam::Sandbox::builder().toolchains().build().unwrap_or_else(|e| { eprintln!("{e}"); std::process::exit(1) });
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.is_empty() { print!("{}", sandbox.plan()); return; }
    let t = std::time::Instant::now();
    let mut child = match sandbox.command(&args[0]).args(&args[1..]).spawn() { Ok(c) => c, Err(e) => { eprintln!("{e}\n{e:?}"); std::process::exit(1) } };
    eprintln!("spawned {:?}", t.elapsed());
    let status = child.wait().unwrap();
    eprintln!("{status} {:?} total {:?}\n{}", status.usage(), t.elapsed(), child.enforcement());
}
