# Runs once in a chroot of the fresh root.
umask 022
cat >/etc/systemd/system/lab-prepare.service <<'U'
[Unit]
Description=What the bench gives a node that a machine has by itself
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lab/prepare

[Install]
WantedBy=sysinit.target
U
mkdir -p /usr/lib/lab /root/.ssh
mv /usr/local/lib/lab/prepare /usr/lib/lab/prepare
rmdir /usr/local/lib/lab
systemctl enable lab-prepare.service ssh.service
# Nothing that wakes up by itself: a test should see only what it caused.
systemctl mask console-getty.service getty@tty1.service systemd-networkd-wait-online.service \
	e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer \
	apt-daily-upgrade.timer dpkg-db-backup.timer
# A machine's journal survives its power; so does a node's.
mkdir -p /var/log/journal
ssh-keygen -q -t ed25519 -N '' -C belay-lab -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
# Each node gets its own identity when it is made.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/hostname
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
