//! Compilers, and what they have made.

use crate::attempt::{Attempt, find, home, lacks};

/// A small project as a configure script and make build it.
#[test]
fn gcc_and_make() {
    Attempt {
        test: "compilers::gcc_and_make",
        needs: &["gcc", "g++", "make", "ar"],
        script: r##"
            for f in stdio.h sys/epoll.h no_such.h; do
                if echo "#include <$f>" | gcc -E - >/dev/null 2>&1; then echo "have $f"; else echo "lack $f"; fi
            done
            cat > part.c <<'END'
int part(int n) { return n * 2; }
END
            cat > main.cc <<'END'
#include <dlfcn.h>
#include <iostream>
#include <thread>
#include <vector>
extern "C" int part(int);
int main() {
    auto f = (int (*)(int)) dlsym(dlopen("./libpart.so", RTLD_NOW), "part");
    std::vector<std::thread> all; int sums[8];
    for (int i = 0; i < 8; i++) all.emplace_back([&, i] { sums[i] = f(i); });
    int sum = 0; for (int i = 0; i < 8; i++) { all[i].join(); sum += sums[i]; }
    try { throw sum; } catch (int caught) { std::cout << caught << " " << part(21) << "\n"; }
}
END
            cat > Makefile <<'END'
all: program static
part.o: part.c ; $(CC) -O2 -fPIC -c -o $@ $<
libpart.a: part.o ; $(AR) rcs $@ $<
libpart.so: part.o ; $(CC) -shared -o $@ $<
program: main.cc libpart.a libpart.so ; $(CXX) -O2 -flto -pthread -o $@ main.cc libpart.a -ldl
static: part.c ; printf '\43include <stdio.h>\nint part(int);int main(){printf("%%d\\n",part(4));}' > s.c && $(CC) -static -o $@ s.c part.c
END
            make -s -j2; ./program; ./static"##,
        prints: "have stdio.h\nhave sys/epoll.h\nlack no_such.h\n56 42\n8",
        refused: "",
    }
    .check();
}

/// LeakSanitizer stops its own threads with ptrace(2).
#[test]
fn leak_sanitizer() {
    Attempt {
        test: "compilers::leak_sanitizer",
        needs: &["gcc"],
        script: r##"
            printf '#include <stdlib.h>\nint main(void){volatile char*p=malloc(11);p[0]=1;p=0;return 0;}' > leak.c
            gcc -g -fsanitize=address leak.c -o leak; ./leak 2> report || echo ended $?
            cat report >&2; sed -n 's/^SUMMARY: //p' report"##,
        prints: "ended 1\nAddressSanitizer: 11 byte(s) leaked in 1 allocation(s).",
        refused: "LeakSanitizer has encountered a fatal error",
    }
    .check();
}

/// The other sanitizers of gcc need nothing.
#[test]
fn sanitizers() {
    Attempt {
        test: "compilers::sanitizers",
        needs: &["gcc"],
        script: r##"
            export ASAN_OPTIONS=detect_leaks=0
            printf 'int main(int c,char**v){volatile char b[4];volatile int i=3+c;b[i]=1;return 0;}' > over.c
            gcc -g -fsanitize=address over.c -o over; ./over 2>&1 | grep -o 'ERROR: AddressSanitizer: stack-buffer-overflow'
            printf '#include <limits.h>\nint main(int c,char**v){volatile int i=INT_MAX;i+=c;return 0;}' > int.c
            gcc -g -fsanitize=undefined int.c -o int; ./int 2>&1 | grep -o 'signed integer overflow'
            cat > race.c <<'END'
#include <pthread.h>
int x; void *add(void *a) { x++; return a; }
int main(void) { pthread_t a, b; pthread_create(&a, 0, add, 0); pthread_create(&b, 0, add, 0);
    pthread_join(a, 0); pthread_join(b, 0); return 0; }
END
            gcc -g -fsanitize=thread race.c -o race; ./race 2>&1 | grep -m1 -o 'WARNING: ThreadSanitizer: data race'"##,
        prints: "ERROR: AddressSanitizer: stack-buffer-overflow\nsigned integer overflow\nWARNING: ThreadSanitizer: data race",
        refused: "",
    }
    .check();
}

/// A crate with a dependency, a build script and tests, and the same linked statically, as Go does it.
#[test]
fn cargo() {
    let home = home();
    if !find("cargo").iter().any(|cargo| cargo.starts_with(&home)) {
        lacks("a Rust toolchain in the home");
        return;
    }
    Attempt {
        test: "compilers::cargo",
        needs: &["gcc", "ldd"],
        script: r##"
            cargo init -q --vcs none --name hello .
            mkdir -p dep/src; printf '[package]\nname = "dep"\nversion = "1.0.0"\nedition = "2021"\n' > dep/Cargo.toml
            echo 'pub fn twice(n: u32) -> u32 { n * 2 }' > dep/src/lib.rs
            echo 'dep = { path = "dep" }' >> Cargo.toml
            echo 'fn main() { println!("cargo:rustc-env=BUILT=script"); }' > build.rs
            echo 'fn main() { println!("{} {}", dep::twice(21), env!("BUILT")); }
                  #[test] fn doubles() { assert_eq!(dep::twice(1), 2); }' > src/main.rs
            cargo run -q --offline; cargo test -q --offline | grep -o 'test result: ok. 1 passed'
            RUSTFLAGS='-C target-feature=+crt-static' cargo build -q --offline --target-dir static
            ldd static/debug/hello 2>&1 | grep -oE 'statically linked|not a dynamic executable' | head -c 3; echo; ./static/debug/hello"##,
        prints: "42 script\ntest result: ok. 1 passed\nsta\n42 script",
        refused: "cargo: not found",
    }
    .check();
}
