//! The JVM.

use crate::attempt::Attempt;

#[test]
fn threads_and_gc() {
    Attempt {
        test: "java::threads_and_gc",
        needs: &["java", "javac", "jar"],
        script: r#"
            cat > Main.java <<'END'
import java.util.*; import java.util.concurrent.*; import java.net.*; import java.nio.file.*;
public class Main {
    public static void main(String[] a) throws Exception {
        var pool = Executors.newFixedThreadPool(4); var all = new ArrayList<Future<Long>>();
        for (int t = 0; t < 8; t++) all.add(pool.submit(() -> {
            long n = 0; for (int i = 0; i < 100000; i++) n += new byte[1024].length; return n; }));
        long n = 0; for (var f : all) n += f.get(); pool.shutdown();
        long runs = 0;
        for (var b : java.lang.management.ManagementFactory.getGarbageCollectorMXBeans()) runs += b.getCollectionCount();
        System.out.println(n + " " + (runs > 0));
        var child = new ProcessBuilder("echo", "child").start();
        System.out.print(new String(child.getInputStream().readAllBytes()));
        try (var s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress()); var c = new Socket(s.getInetAddress(), s.getLocalPort())) {
            s.accept().getOutputStream().write(65); System.out.println(c.getInputStream().read());
        }
        Files.write(Path.of("mapped"), new byte[8192]);
        try (var f = java.nio.channels.FileChannel.open(Path.of("mapped"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var map = f.map(java.nio.channels.FileChannel.MapMode.READ_WRITE, 0, 8192); map.put(0, (byte) 7); map.force();
        }
        System.out.println(Files.readAllBytes(Path.of("mapped"))[0]);
    }
}
END
            javac Main.java; jar --create --file main.jar --main-class Main *.class
            for collector in G1 Serial Z; do java -Xmx64m -XX:+Use${collector}GC -jar main.jar | head -1; done
            java -jar main.jar | tail -3"#,
        prints: "819200000 true\n819200000 true\n819200000 true\nchild\n65\n7",
        refused: "",
    }
    .check();
}

/// jcmd(1) attaches to another JVM over a socket in `/tmp`.
#[test]
fn jcmd() {
    Attempt {
        test: "java::jcmd",
        needs: &["java", "javac", "jcmd"],
        script: r#"
            echo 'public class Sleeper { public static void main(String[] a) throws Exception { System.out.println("up"); Thread.sleep(170000); } }' > Sleeper.java
            javac Sleeper.java; java Sleeper > out & vm=$!
            for i in $(seq 600); do grep -q up out && break; sleep 0.1; done
            jcmd $vm Thread.print | grep -c 'Sleeper.main'; jcmd | grep -c ' Sleeper$'; kill $vm"#,
        prints: "1\n1",
        refused: "",
    }
    .check();
}
