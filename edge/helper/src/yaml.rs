//! `config.yaml` as K3s' flag parser sees it: a flat map of keys to one text or a list of texts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::Spanned;

/// One entry of a file, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As written, with a trailing `+` where it appends.
    pub key: String,
    /// Text as written: `0755` and `yes` stay what they are. Read without types they would become `755.0` and `true`
    /// (rust.md, finding 3).
    pub values: Vec<String>,
    pub line: u32,
}

/// Reads a file's entries.
///
/// # Errors
/// When it is not a flat map; with line and column.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, serde_saphyr::Error> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---") {
        return Ok(Vec::new());
    }
    // Twice, because the text of a scalar is only given to a reader that asks for text: the first pass finds out
    // where a list is.
    let Shapes(shapes) = serde_saphyr::from_str(text)?;
    serde_saphyr::with_deserializer_from_str(text, |deserializer| Entries(shapes).deserialize(deserializer))
}

struct Shapes(Vec<bool>);

impl<'de> Deserialize<'de> for Shapes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Shapes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of flags to values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shapes, A::Error> {
                let mut shapes = Vec::new();
                while let Some((_, IsList(list))) = map.next_entry::<String, IsList>()? {
                    shapes.push(list);
                }
                Ok(Shapes(shapes))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

struct IsList(bool);

impl<'de> Deserialize<'de> for IsList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = IsList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_i128<E: de::Error>(self, _: i128) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_u128<E: de::Error>(self, _: u128) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_unit<E: de::Error>(self) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_none<E: de::Error>(self) -> Result<IsList, E> {
                Ok(IsList(false))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<IsList, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IsList(true))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

struct Entries(Vec<bool>);

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Entry>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of flags to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        let mut shapes = self.0.into_iter();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let list = shapes.next().ok_or_else(|| A::Error::custom("the file changed while it was read"))?;
            let values = if list {
                map.next_value::<Vec<String>>()?
            } else {
                vec![map.next_value::<Option<String>>()?.unwrap_or_default()]
            };
            let line = u32::try_from(key.defined.line()).unwrap_or_default();
            entries.push(Entry { key: key.value, values, line });
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_as_written_and_lines_are_known() {
        let text = "# ours\nnode-ip: 10.77.0.11\nwrite-kubeconfig-mode: 0644\nselinux: yes\nbig: 1.20\nempty:\n\
            kubelet-arg: [\"fail-cgroupv1=false\", eviction-hard=nodefs.available<1%]\n\
            disable+:\n  - traefik\n  - 007\n";
        let read = entries(text).unwrap();
        let flat: Vec<(u32, &str, String)> =
            read.iter().map(|e| (e.line, e.key.as_str(), e.values.join("|"))).collect();
        let expected = [
            (2, "node-ip", "10.77.0.11"),
            (3, "write-kubeconfig-mode", "0644"),
            (4, "selinux", "yes"),
            (5, "big", "1.20"),
            (6, "empty", ""),
            (7, "kubelet-arg", "fail-cgroupv1=false|eviction-hard=nodefs.available<1%"),
            (8, "disable+", "traefik|007"),
        ];
        let expected: Vec<_> = expected.map(|(line, key, values)| (line, key, values.to_owned())).into();
        assert_eq!(flat, expected);
    }

    #[test]
    fn what_is_not_a_flat_map_is_an_error_and_an_empty_file_is_not() {
        assert_eq!(entries("").unwrap(), []);
        assert_eq!(entries("---\n# nothing\n").unwrap(), []);
        for bad in ["a: {b: c}", "- a", "a: [[b]]", "a: 'x", "a: 1\na: 2\n"] {
            assert!(entries(bad).is_err(), "{bad}");
        }
    }
}
