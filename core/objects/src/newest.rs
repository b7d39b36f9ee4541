use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

/// Tells the newest row of each key from older ones, where rows come newest first.
///
/// Of a key 128 bits of hash are kept and not its text: of a million keys two are taken for one with a probability of 1 in
/// 10^26.
#[derive(Debug, Default)]
pub struct Newest {
    seen: HashSet<u128, BuildHasherDefault<Taken>>,
}

impl Newest {
    /// Whether no row of this key came before.
    pub fn is_first(&mut self, key: &[u8]) -> bool {
        let of = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(seed);
            hasher.write(key);
            hasher.finish()
        };
        self.seen.insert(u128::from(of(1)) << 64 | u128::from(of(2)))
    }
}

/// What is a hash already is taken as it is.
#[derive(Debug, Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = (number >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_first_once() {
        let mut newest = Newest::default();
        let keys: Vec<String> = (0..5000).map(|n| format!("/registry/configmaps/default/n{n}")).collect();
        assert!(keys.iter().all(|key| newest.is_first(key.as_bytes())));
        assert!(!keys.iter().any(|key| newest.is_first(key.as_bytes())));
        assert!(newest.is_first(b"") && !newest.is_first(b""));
    }
}
