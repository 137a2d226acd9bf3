# Debian's kernels, downloaded and unpacked, never installed. Sourced by `run`.
#
# apt has directories of its own here, so that the machine's lists, packages and caches stay as they are.

# Series and suites: where Debian keeps each. The newest of a series is taken.
debian_suites() {
  cat <<EOF
security bullseye-security
security bookworm-security
archive trixie-backports
EOF
}

# The mirror that this machine's apt uses; `archive` or `security`.
mirror() {
  local given codename release
  case $1 in
    archive) given=${COFFERDAM_DEBIAN:-} ;;
    security) given=${COFFERDAM_DEBIAN_SECURITY:-} ;;
  esac
  if [ -n "$given" ]; then
    echo "$given"
    return
  fi
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  case $1 in
    archive) release=$codename ;;
    security) release=$codename-security ;;
  esac
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$release" '$1 == release { print $2; exit }'
}

# An apt of our own in a directory.
prepare_apt() {
  local kind suite uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=
  mkdir -p "$apt"/{etc,lists/partial,cache/archives/partial}
  : >"$apt/status"
  [ -e "$keyring" ] && options="[signed-by=$keyring] "
  : >"$apt/etc/sources.list"
  while read -r kind suite; do
    uri=$(mirror "$kind")
    [ -n "$uri" ] || die "this machine's apt knows no Debian mirror ($kind); name one:" \
      "COFFERDAM_DEBIAN=URL COFFERDAM_DEBIAN_SECURITY=URL"
    echo "deb $options$uri $suite main" >>"$apt/etc/sources.list"
  done < <(debian_suites)
  # Read last of all, so it undoes what the machine's own settings would do after an update.
  cat >"$apt/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
EOF
  apt-get -c "$apt/apt.conf" update -qq || die "the lists of Debian's kernels cannot be fetched"
}

# The package with the kernel itself; the newest of a series.
newest_package() {
  apt-cache -c "$apt/apt.conf" search --names-only "^linux-(image|binary)-${1//./\\.}[^ ]*-cloud-amd64\$" |
    cut -d' ' -f1 | grep -E "^linux-(image|binary)-${1//./\\.}\.[0-9]" |
    sed 's/^linux-\(image\|binary\)-\(.*\)/\2 \1/' | sort -V -k1,1 -k2,2r | tail -1 |
    awk '{ print "linux-" $2 "-" $1 }'
}

# Unpacks the kernel of a series into $kernels/SERIES: `vmlinuz`, `release`, `lib/modules`.
fetch_kernel() {
  local series=$1 package packages partial release
  local target="$kernels/$series"
  [ -e "$target/vmlinuz" ] && return
  [ -e "$apt/apt.conf" ] || prepare_apt
  package=$(newest_package "$series")
  [ -n "$package" ] || die "Debian's suites have no cloud kernel $series any more;" \
    "see the suites in tests/kernel-matrix/kernels.sh"
  packages=("$package")
  # Since 6.19 the modules have a package of their own, and so has what is said of those built in.
  case $package in
    linux-binary-*) packages+=("linux-modules-${package#linux-binary-}" "linux-base-${package#linux-binary-}") ;;
  esac
  partial="$target.partial"
  rm -rf "$partial"
  mkdir -p "$partial/packages" "$partial/lib"
  (cd "$partial/packages" && apt-get -c "$apt/apt.conf" download -qq "${packages[@]}") ||
    die "${packages[*]} cannot be downloaded"
  for package in "$partial"/packages/*.deb; do
    dpkg-deb -x "$package" "$partial/unpacked"
  done
  for directory in "$partial"/unpacked/{,usr/}lib/modules; do
    if [ -d "$directory" ]; then cp -a "$directory" "$partial/lib/"; fi
  done
  release=$(ls "$partial/lib/modules")
  cp "$(ls "$partial"/unpacked/boot/vmlinuz-* "$partial/lib/modules/$release/vmlinuz" 2>/dev/null | head -1)" \
    "$partial/vmlinuz"
  echo "$release" >"$partial/release"
  rm -rf "$partial/packages" "$partial/unpacked"
  depmod -b "$partial" "$release"
  rm -rf "$target"
  mv "$partial" "$target"
}

# Modules that a guest needs: its disk, and what tests ask the kernel for.
wanted_modules=(
  virtio_pci virtio_blk ext4
  overlay nf_tables nft_chain_nat nft_redir
)

# The first file system of a guest: busybox, the modules, and `first.sh` as process 1.
make_initrd() {
  local series=$1 module file release root
  release=$(cat "$kernels/$series/release")
  root="$kernels/$series/initrd"
  rm -rf "$root"
  mkdir -p "$root"/{bin,modules,proc,sys,dev,root}
  cp "$(command -v busybox)" "$root/bin/busybox"
  cp "$here/first.sh" "$root/init"
  chmod 755 "$root/init"
  for module in "${wanted_modules[@]}"; do
    modprobe -d "$kernels/$series" -S "$release" --show-depends "$module" ||
      die "kernel $series has no module $module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r file; do
      case $file in
        *.xz) xz -dc "$file" >"$root/modules/$(basename "$file" .xz)" ;;
        *) cp "$file" "$root/modules/" ;;
      esac
      basename "$file" .xz >>"$root/modules/order"
    done
  (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$kernels/$series/initrd.cpio"
  rm -rf "$root"
}
