//! Servers with their clients, in one sandbox.

use crate::attempt::{Attempt, all_here, find, lacks};
use std::path::PathBuf;

/// The directory of PostgreSQL's programs, which Debian keeps out of `PATH`.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut places: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    places.sort();
    places.extend(
        find("initdb")
            .iter()
            .filter_map(|path| Some(path.parent()?.to_owned())),
    );
    places
        .into_iter()
        .find(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
}

/// PostgreSQL refuses to run as root; a root host's sandbox runs under another id.
#[test]
fn postgres() {
    let Some(programs) = postgres_programs() else {
        lacks("PostgreSQL's server");
        return;
    };
    let script = format!("export PATH={}:$PATH", programs.display())
        + r#"
            initdb -D data --no-sync -U me -A trust > /dev/null
            pg_ctl -D data -w -t 120 -l log -o "-h 127.0.0.1 -p 5432 -k $PWD" start > /dev/null
            query() { psql -X -At -U me -d postgres "$@"; }
            query -h $PWD -qc 'create table t as select generate_series(1, 100000) x'
            query -h 127.0.0.1 -c 'select sum(x) from t'
            query -h $PWD -c "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
                set min_parallel_table_scan_size = 0; explain (analyze, costs off) select sum(x) from t" | grep -o 'Workers Launched: [12]'
            pgbench -h $PWD -U me -i -q postgres > /dev/null 2>&1
            pgbench -h $PWD -U me -c 4 -j 2 -t 25 postgres 2>/dev/null | grep -o 'processed: .*'
            pg_ctl -D data -w -m fast stop > /dev/null; pg_controldata data | grep -o 'shut down'; grep -E 'FATAL|PANIC|ERROR' log || true"#;
    Attempt {
        test: "servers::postgres",
        needs: &["psql"],
        script: &script,
        prints: "5000050000\nWorkers Launched: 2\nprocessed: 100/100\nshut down",
        refused: "",
    }
    .check();
}

#[test]
fn redis() {
    if !all_here(&["redis-server", "redis-cli"]) {
        return;
    }
    Attempt {
        test: "servers::redis",
        needs: &["redis-server", "redis-cli"],
        script: r#"
            redis-server --port 0 --unixsocket $PWD/socket --dir $PWD --appendonly yes > log & server=$!
            ask() { redis-cli -s $PWD/socket "$@"; }
            for i in $(seq 600); do [ "$(ask ping 2>/dev/null)" = PONG ] && break; sleep 0.1; done
            ask set key value; ask bgsave > /dev/null
            for i in $(seq 600); do [ -s dump.rdb ] && break; sleep 0.1; done; [ -s dump.rdb ] && echo saved
            ask shutdown; wait $server; grep -c 'bye bye' log"#,
        prints: "OK\nsaved\n1",
        refused: "",
    }
    .check();
}
