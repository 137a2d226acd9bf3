# Reads the consoles of guests, prints a table of what they ran, and fails when anything failed.

function short(path) { sub(/.*\//, "", path); sub(/\.log$/, "", path); return path }

function row(state) {
  key = guest SUBSEP group SUBSEP user
  if (!(key in seen)) { seen[key] = 1; order[++rows] = key }
  passed[key] += p; failed[key] += f; lacking[key] += l; seconds[key] += 0
  if (state != "") { states[key] = states[key] (states[key] == "" ? "" : ", ") state; bad = 1 }
  open = 0
}

function finish() {
  if (guest == "") return
  if (open) row(panic ? "PANIC" : "GUEST HUNG")
  else if (!done || panic) { group = "-"; user = "-"; p = f = l = 0; row(panic ? "PANIC" : "DID NOT " (booted ? "END" : "BOOT")) }
}

FNR == 1 { finish(); guest = short(FILENAME); done = booted = panic = open = 0 }
/^@@ booted / { booted = 1; release[guest] = $3 }
/Kernel panic - / { panic = 1 }
/^@@ no / { print guest ": " substr($0, 4); bad = 1 }
/^@@ begin / { group = $3; user = $4; p = f = l = 0; open = 1; next }
/^@@ done/ { done = 1 }
!open { next }
/^test result: / || /^lifecycle_host: / {
  for (i = 1; i < NF; i++) {
    if ($(i + 1) ~ /^passed/) p += $i
    if ($(i + 1) ~ /^failed/) f += $i
  }
}
/(host|machine) lacks/ { l++ }
/^@@ end / {
  state = ""
  if ($3 == 124 || $3 == 137) state = "HUNG"
  else if ($3 != 0) state = "exit " $3
  else if (p + f == 0) state = "NO TESTS"
  if ($4 != 0) state = state (state == "" ? "" : ", ") $4 " processes left"
  if ($5 != 0) state = state (state == "" ? "" : ", ") $5 " mounts left"
  row(state)
}
END {
  finish()
  printf "\n%-14s %-24s %-14s %-5s %7s %7s %8s\n", "guest", "kernel", "tests", "user", "passed", "failed", "lacking"
  for (i = 1; i <= rows; i++) {
    split(order[i], part, SUBSEP)
    total += passed[order[i]]; wrong += failed[order[i]]
    printf "%-14s %-24s %-14s %-5s %7d %7d %8d  %s\n", part[1], release[part[1]], part[2], part[3],
      passed[order[i]], failed[order[i]], lacking[order[i]], states[order[i]]
  }
  printf "\nkernel-matrix: %d passed, %d failed\n", total, wrong
  exit bad
}
