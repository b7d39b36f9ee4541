#!/usr/bin/env python3
"""Writes versions.tsv: real K3s versions × what was wrong with them, from the ranges as their sources cite them.

It knows nothing of the matcher nor of its tables (core/checks/knowledge): the two are compared by tests/checks/golden.rs.
Run it without arguments in its own directory. Sources: docs.k3s.io/release-notes, the advisories named below.
"""

LAST = {24: 17, 25: 16, 26: 15, 27: 16, 28: 15, 29: 15, 30: 14, 31: 14, 32: 13, 33: 13, 34: 12, 35: 9, 36: 5, 37: 1}
FIRST = {34: 1}
RESPINS = ["v1.24.9+k3s2", "v1.25.16+k3s4", "v1.27.7+k3s2", "v1.28.3+k3s2", "v1.30.14+k3s2", "v1.32.11+k3s3",
           "v1.33.7+k3s3", "v1.33.13+k3s2", "v1.34.3+k3s3", "v1.35.0+k3s3"]

# Half-open intervals of plain versions, one list an advisory; None: without a lower end.
ADVISORIES = {
    # GHSA-m4hf-6vgr-75r2
    "CVE-2023-32187": [(None, "1.24.17"), ("1.25.0", "1.25.13"), ("1.26.0", "1.26.8"), ("1.27.0", "1.27.5"), ("1.28.0", "1.28.1")],
    # GHSA-864f-7xjm-2jp2
    "CVE-2025-46599": [("1.32.0", "1.32.4")],
    # GHSA-jxr7-mqhw-9p98
    "CVE-2026-54250": [(None, "1.33.10"), ("1.34.0", "1.34.6"), ("1.35.0", "1.35.3")],
    # The Kubernetes CVE feed; a minor without a repaired patch was left as it is.
    "CVE-2023-2431": [(None, "1.24.14"), ("1.25.0", "1.25.10"), ("1.26.0", "1.26.5"), ("1.27.0", "1.27.2")],
    "CVE-2023-2727": [(None, "1.24.15"), ("1.25.0", "1.25.11"), ("1.26.0", "1.26.6"), ("1.27.0", "1.27.3")],
    "CVE-2023-2728": [(None, "1.24.15"), ("1.25.0", "1.25.11"), ("1.26.0", "1.26.6"), ("1.27.0", "1.27.3")],
    "CVE-2024-3177": [(None, "1.27.13"), ("1.28.0", "1.28.9"), ("1.29.0", "1.29.4")],
    "CVE-2024-10220": [(None, "1.28.12"), ("1.29.0", "1.29.7"), ("1.30.0", "1.30.3")],
    "CVE-2025-0426": [(None, "1.29.14"), ("1.30.0", "1.30.10"), ("1.31.0", "1.31.6"), ("1.32.0", "1.32.2")],
    "CVE-2025-4563": [("1.32.0", "1.32.6"), ("1.33.0", "1.33.2")],
    "CVE-2025-5187": [(None, "1.31.12"), ("1.32.0", "1.32.8"), ("1.33.0", "1.33.4")],
    "CVE-2025-13281": [(None, "1.32.10"), ("1.33.0", "1.33.6"), ("1.34.0", "1.34.2")],
}
# Of the etcd inside, by etcd's own versions.
ETCD = {
    "CVE-2026-33343": [(None, "3.4.42"), ("3.5.0", "3.5.28"), ("3.6.0", "3.6.9")],
    "CVE-2026-33413": [(None, "3.4.42"), ("3.5.0", "3.5.28"), ("3.6.0", "3.6.9")],
    "CVE-2026-44283": [(None, "3.5.30"), ("3.6.0", "3.6.11")],
    "CVE-2026-73499": [(None, "3.5.33"), ("3.6.0", "3.6.14"), ("3.7.0", "3.7.1")],
    "CVE-2026-73500": [(None, "3.5.33"), ("3.6.0", "3.6.14"), ("3.7.0", "3.7.1")],
}


def etcd_of(minor, patch, k3s):
    """The etcd in a release, as the release notes' tables say; None where they are not exact."""
    if minor in (24, 25):
        return "3.5.3"
    if minor == 32 and patch >= 11:
        return "3.5.25" if (patch, k3s) < (11, 3) else "3.5.26"
    if minor == 33:
        if patch <= 6: return "3.5.21"
        if (patch, k3s) < (7, 3): return "3.5.25"
        if patch <= 10: return "3.5.26"
        return {11: "3.6.7", 13: "3.6.12"}.get(patch)
    if minor == 34:
        if patch <= 2: return {1: "3.6.4", 2: "3.6.5"}[patch]
        if (patch, k3s) < (3, 3): return "3.6.6"
        return "3.6.7" if patch <= 8 else "3.6.12" if patch == 9 else "3.6.14"
    if minor == 35:
        if (patch, k3s) < (0, 3): return "3.6.6"
        return "3.6.7" if patch <= 5 else "3.6.12" if patch == 6 else "3.6.14"
    if minor == 36:
        return "3.6.7" if patch <= 1 else "3.6.12" if patch == 2 else "3.6.14"
    return "3.7.1" if minor == 37 else None


def hazards_of(tag, minor, patch, k3s):
    """Known-bad builds, by tag or by the range that the issue names."""
    found = []
    if tag in ("v1.24.9+k3s1", "v1.25.5+k3s1", "v1.26.0+k3s1"): found.append("containerd-restarts-pods")  # k3s#6692
    if tag in ("v1.27.7+k3s1", "v1.28.3+k3s1"): found.append("old-traefik-crds")  # k3s#8755
    if minor == 32 and patch < 4: found.append("kubelet-read-only-port")  # k3s#12164
    if tag in ("v1.32.11+k3s1", "v1.33.7+k3s1", "v1.34.3+k3s1", "v1.35.0+k3s1"): found.append("control-plane-only-restart")  # k3s#13535
    if tag in ("v1.32.11+k3s3", "v1.33.7+k3s3", "v1.34.3+k3s3", "v1.35.0+k3s3"): found.append("etcd-busy-after-restart")  # k3s#13570
    if (minor == 33 and patch >= 10) or (minor == 34 and 6 <= patch <= 11) or (minor == 35 and 3 <= patch <= 8) \
            or (minor == 36 and patch <= 4) or tag == "v1.37.0+k3s1": found.append("compressed-snapshot-restore")  # k3s#14526
    if tag in ("v1.33.13+k3s1", "v1.34.9+k3s1", "v1.35.6+k3s1", "v1.36.2+k3s1"): found.append("coverage-instrumented")  # k3s#14465
    if (minor == 34 and patch < 11) or (minor == 35 and patch < 8) or (minor == 36 and patch < 4): found.append("binary-secret-in-environment")  # k8s#139132
    return found


def plain(text):
    return tuple(int(part) for part in text.split("."))


def inside(version, intervals):
    return any((low is None or plain(low) <= version) and version < plain(high) for low, high in intervals)


def main():
    tags = [f"v1.{minor}.{patch}+k3s1" for minor in LAST for patch in range(FIRST.get(minor, 0), LAST[minor] + 1)]
    rows = []
    for tag in tags + RESPINS:
        numbers, k3s = tag[1:].split("+k3s")
        version = plain(numbers)
        etcd = etcd_of(version[1], version[2], int(k3s))
        advisories = [name for name, intervals in ADVISORIES.items() if inside(version, intervals)]
        advisories += [name for name, intervals in ETCD.items() if etcd and inside(plain(etcd), intervals)]
        hazards = hazards_of(tag, version[1], version[2], int(k3s))
        rows.append((version, int(k3s), "\t".join([tag, etcd or "-", " ".join(sorted(advisories)) or "-", " ".join(sorted(hazards)) or "-"])))
    with open("versions.tsv", "w", encoding="utf-8") as out:
        out.write("tag\tetcd\tadvisories\thazards\n")
        out.writelines(f"{row}\n" for _, _, row in sorted(rows))


main()
