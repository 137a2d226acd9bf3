# Reads the consoles of guests, prints what failed and a table of what they ran, and fails when
# anything did.

function short(path) { sub(/.*\//, "", path); sub(/\.log$/, "", path); return path }

# Adds one test program's figures to the row of its group.
function add(state,    key) {
  key = guest SUBSEP group SUBSEP user
  if (!(key in seen)) { seen[key] = 1; order[++rows] = key }
  passed[key] += p; failed[key] += f; lacking[key] += l; seconds[key] += s
  if (state != "") { states[key] = states[key] (states[key] == "" ? "" : ", ") state; bad = 1 }
  open = p = f = l = s = 0
}

# At the end of a console: did the guest get to its end?
function finish() {
  if (guest == "" || (done && !panic)) return
  if (!open) group = user = "-"
  add(panic ? "KERNEL PANIC" : open ? "GUEST HUNG" : booted ? "GUEST ENDED EARLY" : "GUEST DID NOT BOOT")
}

FNR == 1 { finish(); guest = short(FILENAME); done = booted = panic = open = 0 }
/Kernel panic - |^[^@]*BUG: |^[^@]*Oops: / { panic = 1; print guest ": " $0 }
/^@@ booted / { booted = 1; release[guest] = $3 }
/^@@ lacks / { print guest ": " substr($0, 4); bad = 1 }
/^@@ begin / { group = $3; user = $4; open = 1; next }
/^@@ done/ { done = 1 }
!open { next }
/^test result: / {
  for (i = 1; i < NF; i++) {
    if ($(i + 1) ~ /^passed/) p += $i
    if ($(i + 1) ~ /^failed/) f += $i
  }
}
/(host|machine) lacks|(missing|not available) on this host/ { l++ }
shown { print "    " $0; shown = 0 }
/ panicked at / { print guest " " group " " user ": " $0; shown = 1 }
/^@@ end / {
  s = $7
  state = ""
  if ($3 == 124 || $3 == 137) state = "HUNG after " s " s"
  else if ($3 != 0) state = "exit " $3
  else if (p + f == 0) state = "NO TEST RAN"
  if ($4 != 0) state = state (state == "" ? "" : ", ") $4 " processes left"
  if ($5 != 0) state = state (state == "" ? "" : ", ") $5 " mounts left"
  if ($6 != 0) state = state (state == "" ? "" : ", ") $6 " control groups left"
  add(state)
}
END {
  finish()
  line = "%-12s %-26s %-11s %-5s %7s %7s %8s %6s  %s\n"
  printf "\n" line, "guest", "kernel", "tests", "user", "passed", "failed", "lacking", "time", ""
  for (i = 1; i <= rows; i++) {
    key = order[i]
    split(key, part, SUBSEP)
    total += passed[key]; wrong += failed[key]
    printf line, part[1], release[part[1]], part[2], part[3], passed[key], failed[key], lacking[key],
      seconds[key] "s", states[key]
  }
  printf "\nkernel-matrix: %d passed, %d failed\n", total, wrong
  exit bad
}
