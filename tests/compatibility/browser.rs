//! Headless Chromium, against a server in the same sandbox.

use crate::attempt::Attempt;

/// Serves a page whose script is told, by the server, whether the page's renderer runs in a process
/// namespace of its own. Then runs the browser twice: for the page's text and for its picture.
const SCRIPT: &str = r#"
cat > visit.py <<'END'
import http.server, os, subprocess, sys, threading
def nested():
    """Whether the renderer has an id in a process namespace below this one."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"--type=renderer" in open(f"/proc/{pid}/cmdline", "rb").read():
                ids = [line for line in open(f"/proc/{pid}/status") if line.startswith("NSpid:")]
                return len(ids[0].split()) > 2
        except OSError: pass
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        script = f"document.body.append('sum ' + [...Array(101).keys()].reduce((a, b) => a + b) + ', nested: {nested()}')"
        kind, text = ("text/javascript", script) if self.path == "/script.js" else \
            ("text/html", "<body style='background: #123456'><script src='/script.js'></script>")
        self.send_response(200); self.send_header("Content-Type", kind); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=web.serve_forever, daemon=True).start()
browser = ["chromium", "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", f"--user-data-dir={os.getcwd()}/profile", "--window-size=400,300"] + sys.argv[1:]
page = f"http://127.0.0.1:{web.server_port}/"
dom = subprocess.run(browser + ["--dump-dom", page], stdout=subprocess.PIPE, text=True, timeout=120).stdout
print(dom.partition("</script>")[2].partition("<")[0])
subprocess.run(browser + ["--screenshot=page.png", page], stdout=subprocess.DEVNULL, timeout=120)
picture = open("page.png", "rb").read() if os.path.exists("page.png") else b""
print(picture[:4], int.from_bytes(picture[16:20], "big"), len(picture) > 500)
END
exec /usr/bin/python3 visit.py "#;

#[test]
fn chromium_without_its_sandbox() {
    let script = SCRIPT.to_owned() + "--no-sandbox";
    Attempt {
        test: "browser::chromium_without_its_sandbox",
        needs: &["chromium", "python3"],
        script: &script,
        prints: "sum 5050, nested: False\nb'\\x89PNG' 400 True",
        refused: "",
    }
    .check();
}

/// Its renderers are in user and process namespaces of their own, without a set-user-ID helper.
#[test]
fn chromium_with_its_sandbox() {
    Attempt {
        test: "browser::chromium_with_its_sandbox",
        needs: &["chromium", "python3"],
        script: SCRIPT,
        prints: "sum 5050, nested: True\nb'\\x89PNG' 400 True",
        refused: "No usable sandbox!",
    }
    .check();
}
