#!/bin/sh
# Process 1 of a guest: sets the system up as systemd would, and runs the row's groups of tests.
# Lines for `run` begin with @@.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

set_up() {
  mount -t proc -o nosuid,nodev,noexec proc /proc
  mount -t sysfs -o nosuid,nodev,noexec sys /sys
  mount --make-rshared /
  mkdir -p /dev/pts /dev/shm
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
  mount -t tmpfs -o nosuid,nodev,mode=755 run /run
  ln -sfn /proc/self/fd /dev/fd
  ln -sfn fd/0 /dev/stdin
  ln -sfn fd/1 /dev/stdout
  ln -sfn fd/2 /dev/stderr
  mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
  chmod 1777 /tmp /var/tmp
  chown -R user: /home/user
  chmod 666 /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx
  busybox ip link set lo up
  hostname guest
}

# A control group of one run, as systemd delegates them: the processes in a leaf of it.
make_group() {
  group=/sys/fs/cgroup/$1
  mkdir "$group"
  for controller in $(cat "$group/cgroup.controllers"); do
    echo "+$controller" >"$group/cgroup.subtree_control"
  done
  mkdir "$group/leaf"
  if [ "$2" != root ]; then
    for directory in "$group" "$group/leaf"; do
      chown "$2:" "$directory" "$directory/cgroup.procs" "$directory/cgroup.subtree_control" \
        "$directory/cgroup.threads"
    done
  fi
}

# The processes below a directory of control groups.
processes() {
  find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null | wc -l
}

# One program of a group, as root or as the ordinary user.
run_one() {
  name=$1 user=$2 limit=$3 program=$4
  shift 4
  number=$((number + 1))
  make_group "run$number" "$user"
  as=
  home=/root
  if [ "$user" != root ]; then
    as="setpriv --reuid $user --regid $user --init-groups"
    home=/home/$user
  fi
  mounts=$(wc -l </proc/self/mountinfo)
  echo "@@ begin $name $user $program"
  started=$(cut -d. -f1 /proc/uptime)
  (
    echo 0 >"$group/leaf/cgroup.procs"
    cd "$home" || exit 99
    export HOME=$home USER=$user LOGNAME=$user TMPDIR=/tmp
    # shellcheck disable=SC2086 # words
    exec timeout -k 5 "$limit" $as "$program" "$@"
  ) >/run/output 2>&1 </dev/null
  status=$?
  cat /run/output
  # What was killed last may still be going.
  tries=0
  while [ "$(processes "$group")" -gt 0 ] && [ "$tries" -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  left="$(processes "$group") $(($(wc -l </proc/self/mountinfo) - mounts))"
  left="$left $(find "$group" -mindepth 1 -type d ! -path "$group/leaf" | wc -l)"
  find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -9 2>/dev/null
  # Groups go once they are empty, the deepest first.
  tries=0
  until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ "$tries" = 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  echo
  echo "@@ end $status $left $(($(cut -d. -f1 /proc/uptime) - started))"
}

set_up
guest=$(sed -n 's/.*cofferdam.guest=\([^ ]*\).*/\1/p' /proc/cmdline)
export COFFERDAM_GUEST="$guest" RUST_TEST_NOCAPTURE=1
echo "@@ booted $(uname -r)"
number=0
while read -r row name user limit program arguments; do
  [ "$row" = "$guest" ] || continue
  [ "$arguments" = - ] && arguments=
  # shellcheck disable=SC2086 # words
  run_one "$name" "$user" "$limit" "$program" $arguments
done </tasks
echo "@@ done"
busybox reboot -f
