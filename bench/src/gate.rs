//! `… gate [ROUNDS]`: a connection out of a sandbox, beside a direct one, one through a bare relay, and
//! the way over two `socat` bridges to the same proxy.

mod bridges;
mod client;
mod idle;
mod process;
mod relay;
mod server;

use crate::contender::{Contender, race};
use bridges::Bridges;
use client::Client;
use cofferdam::{NetworkMode, Sandbox, Session};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// The name by which a program inside reaches the server.
const NAME: &str = "server.test";

/// Whether this process was started as one of the programs of the measurement; then it has been that.
pub fn helper() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => server::main(),
        ["relay", to] => relay::main(to.parse().expect("a port")),
        ["client", to] => client::main(to, None).expect("the client's work"),
        ["client", to, proxy] => client::main(to, Some(proxy)).expect("the client's work"),
        _ => return false,
    }
    true
}

/// Runs all measurements.
pub fn run(rounds: usize) {
    let server = server::start();
    let relay = relay::start(server.port());
    let session = session(server.port());
    let bridges = Bridges::start(server.port());
    for task in client::TASKS {
        let direct = Rc::new(Client::on_host(&format!("127.0.0.1:{}", server.port())));
        let relayed = Rc::new(Client::on_host(&format!("127.0.0.1:{}", relay.port())));
        let gate = Rc::new(Client::inside(
            &session,
            &format!("{NAME}:{}", server.port()),
            None,
        ));
        let mut contenders = vec![
            contender("direct", direct, task.name),
            contender("bare relay", relayed, task.name),
            contender("gate", gate, task.name),
        ];
        if let Some(bridges) = &bridges {
            contenders.push(contender(
                "socat bridges",
                Rc::new(bridges.client()),
                task.name,
            ));
        }
        // A download takes as long as hundreds of requests.
        race(
            task.title,
            contenders,
            "direct",
            (rounds / task.weight).max(5),
        );
    }
    if bridges.is_none() {
        println!("socat is not installed, so its bridges were not measured");
    }
    idle::measure(&session, &format!("{NAME}:{}", server.port()));
}

fn contender(name: &'static str, client: Rc<Client>, task: &'static str) -> Contender {
    Contender::timing(name, move || client.time(task))
}

/// A session that may connect to the server by its name.
fn session(port: u16) -> Session {
    let own = std::env::current_exe().expect("this program's path");
    let sandbox = Sandbox::builder()
        .read(&own)
        .network(|net| {
            net.allow(format!("{NAME}:{port}"))
                .allow(format!("127.0.0.1:{port}"))
        })
        .resolver([(NAME, vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])])
        .build()
        .expect("a sandbox with rules");
    assert_eq!(sandbox.policy().network.mode, NetworkMode::Rules);
    sandbox.start().expect("a session")
}
