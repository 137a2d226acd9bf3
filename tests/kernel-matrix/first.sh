#!/bin/busybox sh
# Process 1 of a guest until its disk is there: loads the modules, then hands over to `inside.sh`.
export PATH=/bin
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do
  /bin/busybox insmod "/modules/$module" || echo "@@ lacks the module $module"
done </modules/order
tries=0
until [ -b /dev/vda ] || [ "$tries" = 100 ]; do
  tries=$((tries + 1))
  /bin/busybox usleep 100000
done
/bin/busybox mount -t ext4 /dev/vda /root || echo "@@ lacks its disk"
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /inside.sh
