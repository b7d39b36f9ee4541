use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A K3s release tag, ordered the way releases follow each other.
///
/// Grammar (K3s `scripts/version.sh`): `v<major>.<minor>.<patch>[-<alpha|beta|rc><N>]+k3s<M>`, where the pre-release
/// comes *before* the `+`. Development builds carry a commit instead of `M` (`+k3s-706aea60[-dirty]`).
///
/// `semver` cannot be used: it compares `k3s10` and `k3s2` as text, and build metadata does not order at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct K3sVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
    pub pre: Option<Pre>,
    /// The number after `+k3s`; `None` for a development build, which sorts before every numbered one.
    pub k3s: Option<u32>,
    /// Everything after `+k3s` in a development build, such as `-706aea60-dirty`.
    dev: String,
}

/// The pre-release part of a tag. `Alpha < Beta < Rc < (release)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pre {
    Alpha(u32),
    Beta(u32),
    Rc(u32),
}

/// Why a text is not a K3s version. The message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a K3s version: {why} (expected something like v1.36.5+k3s1)")]
pub struct VersionError {
    pub given: String,
    pub why: &'static str,
}

impl K3sVersion {
    /// The tag as K3s publishes it, with the leading `v`.
    #[must_use]
    pub fn tag(&self) -> String {
        self.to_string()
    }

    /// `1.36`: the Kubernetes minor as people write it.
    #[must_use]
    pub fn minor_name(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    fn key(&self) -> (u32, u32, u32, Option<Pre>, Option<u32>, &str) {
        (self.major, self.minor, self.patch, self.pre, self.k3s, &self.dev)
    }
}

impl FromStr for K3sVersion {
    type Err = VersionError;

    fn from_str(given: &str) -> Result<Self, VersionError> {
        let fail = |why| VersionError { given: given.chars().take(80).collect(), why };
        let rest = given.strip_prefix('v').ok_or_else(|| fail("it does not begin with `v`"))?;
        let (numbers, build) = rest.split_once("+k3s").ok_or_else(|| fail("it has no `+k3s` part"))?;
        let (numbers, pre) = match numbers.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(parse_pre(pre).ok_or_else(|| fail("its pre-release is unknown"))?)),
            None => (numbers, None),
        };
        let mut parts = numbers.split('.').map(parse_number);
        let (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(fail("it needs three plain numbers"));
        };
        let (k3s, dev) = match build.strip_prefix('-') {
            Some(dev) if !dev.is_empty() && dev.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                (None, build.to_owned())
            }
            Some(_) => return Err(fail("its development build is malformed")),
            None => (Some(parse_number(build).ok_or_else(|| fail("`+k3s` needs a plain number"))?), String::new()),
        };
        Ok(Self { major, minor, patch, pre, k3s, dev })
    }
}

/// A decimal number without sign or leading zero, so that a tag has exactly one spelling.
fn parse_number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn parse_pre(text: &str) -> Option<Pre> {
    let split = text.find(|c: char| c.is_ascii_digit())?;
    let (name, number) = text.split_at_checked(split)?;
    let number = parse_number(number)?;
    match name.trim_end_matches('.') {
        "alpha" => Some(Pre::Alpha(number)),
        "beta" => Some(Pre::Beta(number)),
        "rc" => Some(Pre::Rc(number)),
        _ => None,
    }
    .filter(|_| !name.ends_with('.'))
}

impl fmt::Display for K3sVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.pre {
            Some(Pre::Alpha(n)) => write!(f, "-alpha{n}")?,
            Some(Pre::Beta(n)) => write!(f, "-beta{n}")?,
            Some(Pre::Rc(n)) => write!(f, "-rc{n}")?,
            None => {}
        }
        match self.k3s {
            Some(n) => write!(f, "+k3s{n}"),
            None => write!(f, "+k3s{}", self.dev),
        }
    }
}

impl Ord for K3sVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let pre = |v: &Self| v.pre.map_or((1, None), |p| (0, Some(p)));
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| self.key().cmp(&other.key()))
    }
}

impl PartialOrd for K3sVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for K3sVersion {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for K3sVersion {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v(text: &str) -> K3sVersion {
        text.parse().unwrap()
    }

    #[test]
    fn releases_follow_each_other_numerically() {
        let ladder = [
            "v1.34.12-rc1+k3s1",
            "v1.34.12-rc2+k3s1",
            "v1.34.12-rc10+k3s1",
            "v1.34.12+k3s-706aea60",
            "v1.34.12+k3s1",
            "v1.34.12+k3s2",
            "v1.34.12+k3s10",
            "v1.35.0-alpha1+k3s1",
            "v1.35.0-beta1+k3s1",
            "v1.35.0-rc1+k3s1",
            "v1.35.0+k3s1",
            "v1.100.0+k3s1",
        ];
        for pair in ladder.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn what_is_not_a_tag_is_refused_with_the_reason() {
        for bad in [
            "",
            "v",
            "1.36.1+k3s1",
            "v1.36+k3s1",
            "v1.36.1",
            "v1.36.1+k3s",
            "v1.36.01+k3s1",
            "v1.36.1+k3s1-rc1",
            "v1.36.1-rc+k3s1",
            "v1.36.1-rc.1+k3s1",
            "v1.36.1-gamma1+k3s1",
            "v1.36.1+rke2r1",
            "v1.36.1.1+k3s1",
            "v1.36.1+k3s-",
            "v1.36.1+k3s-a/b",
            "v99999999999.1.1+k3s1",
            "v+1.2.3+k3s1",
            "stable",
        ] {
            assert!(bad.parse::<K3sVersion>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_reads_back_as_itself(
            major in 0u32..3, minor in 0u32..99, patch in 0u32..99, pre in proptest::option::of((0u8..3, 0u32..30)), k3s in 0u32..30
        ) {
            let pre = pre.map_or(String::new(), |(kind, n)| format!("-{}{n}", ["alpha", "beta", "rc"][kind as usize]));
            let tag = format!("v{major}.{minor}.{patch}{pre}+k3s{k3s}");
            prop_assert_eq!(v(&tag).to_string(), tag);
        }

        #[test]
        fn any_text_is_either_read_back_exactly_or_refused(text in ".{0,40}") {
            if let Ok(version) = text.parse::<K3sVersion>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn order_is_total_and_agrees_with_equality(
            a in (0u32..3, 0u32..3, proptest::option::of(0u32..3), 0u32..3), b in (0u32..3, 0u32..3, proptest::option::of(0u32..3), 0u32..3)
        ) {
            let tag = |(minor, patch, rc, k3s): (u32, u32, Option<u32>, u32)| {
                v(&format!("v1.{minor}.{patch}{}+k3s{k3s}", rc.map_or(String::new(), |n| format!("-rc{n}"))))
            };
            let (a, b) = (tag(a), tag(b));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        }
    }
}
