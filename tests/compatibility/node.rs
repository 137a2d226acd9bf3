//! Node and npm.

use crate::attempt::Attempt;

/// A package that is packed, installed with its scripts, linked as a program and run.
#[test]
fn npm() {
    Attempt {
        test: "node::npm",
        needs: &["node", "npm"],
        script: r#"
            mkdir dep app
            echo '{"name":"dep","version":"1.0.0","main":"i.js","bin":{"dep":"i.js"},
                   "scripts":{"postinstall":"echo installed > by-script"}}' > dep/package.json
            printf '#!/usr/bin/env node\nmodule.exports = n => n * 2;\nif (require.main === module) console.log("bin", module.exports(21));\n' > dep/i.js
            (cd dep; npm pack --silent >/dev/null); cd app
            echo '{"name":"app","version":"1.0.0","scripts":{"pretest":"echo before","test":"dep && node use.js"}}' > package.json
            echo 'console.log(require("dep")(4))' > use.js
            npm install --offline --silent --no-audit --no-fund ../dep/dep-1.0.0.tgz
            cat node_modules/dep/by-script; npm test --silent
            npm ls --silent | grep -c dep@1.0.0
            npm ci --offline --silent --no-audit --no-fund; npx --offline dep
            npm uninstall --offline --silent dep; ls node_modules | wc -l"#,
        prints: "installed\nbefore\nbin 42\n8\n1\nbin 42\n0",
        refused: "",
    }
    .check();
}

#[test]
fn workers() {
    Attempt {
        test: "node::workers",
        needs: &["node"],
        script: r#"
            cat > main.js <<'END'
const { Worker } = require("worker_threads"), fs = require("fs"), http = require("http");
const child = require("child_process"), { createHash } = require("crypto"), { gzipSync, gunzipSync } = require("zlib");
const shared = new Int32Array(new SharedArrayBuffer(4));
const worker = () => new Promise(end => new Worker(`const { workerData } = require("worker_threads");
    for (let i = 0; i < 1000; i++) Atomics.add(workerData, 0, 1);`, { eval: true, workerData: shared }).on("exit", end));
(async () => {
    await Promise.all([1, 2, 3, 4].map(worker)); console.log("workers", shared[0]);
    console.log(child.execFileSync(process.execPath, ["-p", "6 * 7"]).toString().trim());
    fs.mkdirSync("watched");
    const heard = new Promise(end => fs.watch("watched", (kind, name) => end(name)));
    fs.writeFileSync("watched/file", "x"); console.log("watched", await heard);
    const server = http.createServer((q, r) => r.end("web " + q.url)).listen(0, "localhost", async () => {
        const answer = await fetch(`http://localhost:${server.address().port}/page`); console.log(await answer.text());
        console.log(gunzipSync(gzipSync("zip")).toString(), createHash("sha256").update("a").digest("hex").slice(0, 8));
        process.exit();
    });
})();
END
            node main.js"#,
        prints: "workers 4000\n42\nwatched file\nweb /page\nzip ca978112",
        refused: "",
    }
    .check();
}
