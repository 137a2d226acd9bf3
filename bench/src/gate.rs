//! `… gate [ROUNDS]`: a connection out of a sandbox, beside a direct one and beside the way over two
//! `socat` bridges to the same proxy.

mod bridges;
mod client;
mod idle;
mod server;

pub use client::main as client;
pub use server::main as server;

use crate::contender::{Contender, race};
use bridges::Bridges;
use client::Client;
use cofferdam::{NetworkMode, Sandbox, Session};
use server::Server;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// The name by which a program inside reaches the server.
const NAME: &str = "server.test";

/// Runs all measurements.
pub fn run(rounds: usize) {
    let server = Server::start();
    let session = session(server.port());
    let bridges = Bridges::start(server.port());
    for task in client::TASKS {
        let direct = Rc::new(Client::on_host(&format!("127.0.0.1:{}", server.port())));
        let gate = Rc::new(Client::inside(
            &session,
            &format!("{NAME}:{}", server.port()),
            None,
        ));
        let mut contenders = vec![
            contender("direct", direct, task.name),
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
