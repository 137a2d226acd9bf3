# The disk that every guest starts from: this machine's own small programs, the test programs where
# they lie here, and all their libraries. Sourced by `run`.

# What the tests start. Of the packages, the programs only.
image_packages=(
  bash coreutils dash findutils grep hostname libc-bin login mawk mount passwd procps sed tar uidmap util-linux
)

# Copies files to the same places in $root, given as lines, with what links lead to. Directories that
# are links here (/bin, /lib) are links there.
copy_files() {
  while read -r file; do
    echo "$(realpath "$(dirname "$file")")/$(basename "$file")"
    realpath "$file"
  done | sort -u | tar -C / -cf - --files-from - 2>/dev/null | tar -C "$root" -xpf -
}

# The system's Python, with the modules that scripts of the tests import.
python() {
  local modules
  echo /usr/bin/python3
  modules=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
  find "$modules" -type f -not -path '*/test/*' -not -path '*/ensurepip/*' -not -path '*/config-*'
}

# Makes $image from the test programs, given with full paths.
make_image() {
  local root="$work/root" file directory package
  rm -rf "$root"
  mkdir -p "$root"/{boot,dev,etc,home/user,proc,root,run,srv,sys,tmp,usr/share/doc/nothing,var/log,var/tmp}
  for directory in bin sbin lib lib64; do
    if [ -L "/$directory" ]; then
      cp -P "/$directory" "$root/$directory"
      mkdir -p "$root/usr/$directory"
    fi
  done
  for package in "${image_packages[@]}"; do
    dpkg -L "$package" 2>/dev/null | grep -E '^(/usr)?/s?bin/[^/]+$' || true
  done >"$work/files"
  { command -v busybox; realpath "$(command -v awk)"; python; } >>"$work/files"
  {
    cat "$work/files"
    { tr '\n' '\0' <"$work/files"; printf '%s\0' "$@"; } | xargs -0 ldd 2>/dev/null |
      grep -o '/[^ :]*\.so[^ :]*' | sort -u || true
  } | copy_files
  ln -s mawk "$root/usr/bin/awk"
  for file in "$@"; do
    mkdir -p "$root$(dirname "$file")"
    strip -o "$root$file" "$file"
  done
  cp "$here/inside.sh" "$root/inside.sh"
  chmod 755 "$root/inside.sh"
  cp "$work/tasks" "$root/tasks"
  cat >"$root/etc/passwd" <<EOF
root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
user:x:1000:1000:user:/home/user:/bin/bash
EOF
  printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\nuser:x:1000:\n' >"$root/etc/group"
  printf 'root:*:1::::::\nuser:*:1::::::\n' >"$root/etc/shadow"
  echo user:100000:65536 | tee "$root/etc/subuid" >"$root/etc/subgid"
  echo 'passwd: files' >"$root/etc/nsswitch.conf"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  ldconfig -r "$root" 2>/dev/null || true
  rm -f "$image"
  # On the disk all is root's, whoever makes it.
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(unshare --map-root-user)
  "${as_root[@]}" mke2fs -q -t ext4 -O '^has_journal' -d "$root" "$image" 1500M >/dev/null
  rm -rf "$root"
}
