//! Debian's Python.

use crate::attempt::{Attempt, lacks};
use std::process::Command;

/// Whether the system's Python has these modules.
fn has(modules: &str) -> bool {
    let status = Command::new("/usr/bin/python3")
        .args(["-c", &format!("import {modules}")])
        .stderr(std::process::Stdio::null())
        .status();
    let found = status.is_ok_and(|status| status.success());
    if !found {
        lacks(&format!("/usr/bin/python3 with {modules}"));
    }
    found
}

/// A package with a build backend of its own, so that nothing has to be there to build it.
#[test]
fn venv_and_pip() {
    if !has("venv, ensurepip") {
        return;
    }
    Attempt {
        test: "python::venv_and_pip",
        needs: &["sh"],
        script: r#"
            mkdir -p small/backend; cd small
            cat > pyproject.toml <<'END'
[build-system]
requires = []
build-backend = "backend"
backend-path = ["backend"]
END
            cat > backend/backend.py <<'END'
import os, tarfile, zipfile
META = "Metadata-Version: 2.1\nName: small\nVersion: 1.2.3\n"
def build_wheel(directory, config=None, metadata=None):
    name, info = "small-1.2.3-py3-none-any.whl", "small-1.2.3.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("small.py", "def main(): print('small says', 6 * 7)\n")
        wheel.writestr(info + "METADATA", META)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\nsmall = small:main\n")
        wheel.writestr(info + "RECORD", "small.py,,\n" + "".join(f"{info}{name},,\n" for name in
            ("METADATA", "WHEEL", "entry_points.txt", "RECORD")))
    return name
END
            cd ..; tar czf small-1.2.3.tar.gz --transform s/^small/small-1.2.3/ small
            /usr/bin/python3 -m venv env
            pip="env/bin/pip --quiet --disable-pip-version-check --no-cache-dir"
            $pip wheel --no-index -w wheels small-1.2.3.tar.gz; ls wheels
            $pip install --no-index wheels/*.whl; env/bin/small
            env/bin/python -c 'import small, sys; print(small.__file__.startswith(sys.prefix))'
            $pip uninstall --yes small; rm -r small; env/bin/python -c 'import small' 2>/dev/null || echo gone"#,
        prints: "small-1.2.3-py3-none-any.whl\nsmall says 42\nTrue\ngone",
        refused: "",
    }
    .check();
}

/// Semaphores and shared memory in `/dev/shm`.
#[test]
fn multiprocessing() {
    if !has("multiprocessing") {
        return;
    }
    Attempt {
        test: "python::multiprocessing",
        needs: &["sh"],
        script: r#"
            cat > pool.py <<'END'
import multiprocessing as m, os
from multiprocessing import shared_memory
def square(n): return n * n
def add(lock, value):
    for _ in range(200):
        with lock: value.value += 1
if __name__ == "__main__":
    for kind in ("fork", "spawn", "forkserver"):
        context = m.get_context(kind)
        with context.Pool(2) as pool: print(kind, sum(pool.map(square, range(100))))
        lock, value = context.Lock(), context.Value("i", 0, lock=False)
        all = [context.Process(target=add, args=(lock, value)) for _ in range(3)]
        for one in all: one.start()
        for one in all: one.join()
        print(value.value)
    memory = shared_memory.SharedMemory(create=True, size=1 << 20); memory.buf[:2] = b"ok"
    print(memory.name in os.listdir("/dev/shm"))
    other = shared_memory.SharedMemory(memory.name); print(bytes(other.buf[:2])); other.close()
    memory.close(); memory.unlink()
END
            /usr/bin/python3 pool.py"#,
        prints: "fork 328350\n600\nspawn 328350\n600\nforkserver 328350\n600\nTrue\nb'ok'",
        refused: "",
    }
    .check();
}

#[test]
fn sqlite() {
    if !has("sqlite3") {
        return;
    }
    Attempt {
        test: "python::sqlite",
        needs: &["sh"],
        script: r#"
            /usr/bin/python3 - <<'END'
import sqlite3, subprocess, sys
base = sqlite3.connect("base.db"); print(base.execute("pragma journal_mode=wal").fetchone()[0], flush=True)
base.execute("create table t(x)")
with base: base.executemany("insert into t values(?)", ((i,) for i in range(10000)))
read = "import sqlite3; print(sqlite3.connect('base.db').execute('select sum(x) from t').fetchone()[0])"
subprocess.run([sys.executable, "-c", read], check=True)
base.execute("begin immediate")
try: sqlite3.connect("base.db", timeout=0).execute("begin immediate")
except sqlite3.OperationalError as error: print(error)
END"#,
        prints: "wal\n49995000\ndatabase is locked",
        refused: "",
    }
    .check();
}

#[test]
fn asyncio() {
    if !has("asyncio, ssl") {
        return;
    }
    Attempt {
        test: "python::asyncio",
        needs: &["sh"],
        script: r#"
            /usr/bin/python3 - <<'END'
import asyncio, socket, ssl, subprocess, threading, urllib.request, http.server
async def serve(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def main():
    for host in ("127.0.0.1", "::1"):
        server = await asyncio.start_server(serve, host, 0)
        reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
        writer.write(b"hi\n"); print((await reader.readline()).decode().strip()); writer.close(); server.close()
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print((await child.communicate(b"piped"))[0].decode())
    print(await asyncio.get_running_loop().run_in_executor(None, threading.active_count) > 1)
asyncio.run(main())
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(self.path.encode())
    def log_message(self, *_): pass
web = http.server.ThreadingHTTPServer(("localhost", 0), Page)
threading.Thread(target=web.serve_forever, daemon=True).start()
print(urllib.request.urlopen(f"http://localhost:{web.server_port}/page").read().decode())
print(len(ssl.create_default_context().get_ca_certs()) > 0 or "no authorities on this machine")
END"#,
        prints: "HI\nHI\npiped\nTrue\n/page\nTrue",
        refused: "",
    }
    .check();
}
