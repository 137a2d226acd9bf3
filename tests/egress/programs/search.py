import os
import sys

needles = [word[::-1].encode() for word in sys.argv[1:]]
MOST = 8 << 20


def look(place, data):
    # The needles themselves are in the memory of this process.
    if any(needle in data for needle in needles):
        print("found", place)


for name, value in os.environb.items():
    look("variable " + name.decode(), value)
count = 0
for top in ("/etc", "/home", "/root", "/run", "/tmp", "/var", "/dev/shm", "/opt", os.getcwd()):
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            try:
                with open(path, "rb") as file:
                    look("file " + path, file.read(MOST))
                count += 1
            except OSError:
                pass
processes = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps", "status", "mountinfo"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                look("process file " + name, file.read(MOST))
        except OSError:
            pass
    try:
        maps = open(f"/proc/{pid}/maps").read().splitlines()
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except OSError:
        continue
    processes += 1
    own = int(pid) == os.getpid()
    for line in maps:
        parts = line.split()
        # Its own heap holds the needles.
        if "r" not in parts[1] or (own and not parts[-1] == "[stack]"):
            continue
        start, end = (int(word, 16) for word in parts[0].split("-"))
        try:
            memory.seek(start)
            look("memory " + pid, memory.read(min(end - start, 64 << 20)))
        except (OSError, OverflowError, ValueError):
            pass
print("searched", count, "files", processes, "processes")
