//! The programs of a node: a `k3s`, and a `systemctl` with its unit in files.

use belay_facts::Digest;

/// A `k3s` that says its version, and extracts itself where it is told to.
pub fn k3s(version: &str) -> String {
    let hash = Digest::of(version.as_bytes()).hex();
    format!(
        "#!/bin/sh\n# {hash}\nif [ \"$1\" = --version ]; then echo \"k3s version {version} (706aea60)\"; exit 0; fi\n\
         if [ \"$1 $2\" = 'etcd-snapshot save' ]; then\n\
         cp \"$K3S_DATA_DIR/../snapshot\" \"$K3S_DATA_DIR/server/db/snapshots/$4-n1-1795472986\"; exit; fi\n\
         if [ \"$1\" = etcd-snapshot ]; then echo \"$2 $3\" >> \"$K3S_DATA_DIR/../asked\"; exit; fi\n\
         d=$K3S_DATA_DIR/data/{hash}/bin\nmkdir -p \"$d\" || exit 1\ncd \"$d\" || exit 1\n\
         printf 'inner {version}' > k3s\nln -s k3s kubectl\necho 'kubectl k3s' > .links\nsha256sum k3s > .sha256sums\n"
    )
}

pub fn hash_of(version: &str) -> String {
    Digest::of(version.as_bytes()).hex()
}

/// `ROOT` stands for the node's directory.
pub const SYSTEMCTL: &str = r#"#!/bin/sh
S=ROOT/unit
. "$S/state"
save() {
  printf 'active=%s\nsub=%s\nresult=%s\ninvocation=%s\nrestarts=%s\n' "$active" "$sub" "$result" "$invocation" "$restarts" > "$S/state"
}
for last; do :; done
if [ "$last" = belay-guard.timer ]; then
  case "$1" in
  show) echo "Id=belay-guard.timer"; echo "ActiveState=$(cat "$S/timer" 2>/dev/null || echo inactive)";;
  start) echo active > "$S/timer";;
  stop) echo inactive > "$S/timer";;
  esac
  exit 0
fi
case "$1" in
show)
  if [ -e "$S/on-show" ]; then . "$S/on-show"; fi
  echo "Id=k3s.service"; echo "LoadState=loaded"; echo "ActiveState=$active"; echo "SubState=$sub"; echo "Result=$result"
  echo "InvocationID=$invocation"; echo "NRestarts=$restarts"; echo "MainPID=${pid:-0}"; echo "Type=notify"; echo "KillMode=process"
  echo "FragmentPath=ROOT/etc/systemd/system/k3s.service"; echo "TimeoutStopUSec=1min 30s"; echo "UnitFileState=enabled"
  echo "ExecStart={ path=ROOT/bin/k3s ; argv[]=ROOT/bin/k3s server --data-dir ROOT/k3s ; ignore_errors=no ; }"
  echo "EnvironmentFiles=ROOT/etc/systemd/system/k3s.service.env (ignore_errors=yes)"
  echo "ActiveEnterTimestampMonotonic=9000000"; echo "InactiveExitTimestampMonotonic=2000000"
  if [ -e ROOT/k3s/.belay-put-back ]; then echo "AssertResult=no"; fi;;
daemon-reload) echo x >> "$S/reloads";;
reset-failed) restarts=0; save;;
--no-block)
  echo "$2" >> "$S/jobs"
  case "$2" in
  stop) active=inactive; sub=dead; save;;
  start)
    if [ "$sub" = auto-restart ]; then exit 0; fi
    if [ -e ROOT/k3s/.belay-put-back ]; then active=inactive; save; exit 0; fi
    invocation=$((invocation + 1)); active=active; sub=running; result=success; save
    if [ -e "$S/on-start" ]; then . "$S/on-start"; save; fi;;
  esac;;
esac
"#;
