use serde::{Deserialize, Serialize};

/// A folder of manifests that somebody keeps beside the cluster: a Git repository, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFolder {
    /// As it was named.
    pub dir: String,
    /// Files that were read, those without any object included.
    pub files: u64,
    pub objects: u64,
    /// Sorted.
    pub apis: Vec<WrittenApi>,
    /// What could not be read: which APIs it uses is not known. Sorted.
    pub unread: Vec<UnreadFile>,
}

/// A version of an API that a folder names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenApi {
    /// `policy/v1beta1`
    pub api_version: String,
    pub kind: String,
    /// How many objects name it.
    pub count: u64,
    /// Where the first of them are, by file and line.
    pub places: Vec<WrittenPlace>,
}

impl WrittenApi {
    /// How many places are kept.
    pub const KEPT: usize = 500;
}

/// One object in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPlace {
    /// As somebody finds it from where the folder was named.
    pub file: String,
    /// 1-based: that of its `apiVersion`.
    pub line: u32,
    /// Empty where it has none, or a template makes it.
    pub name: String,
    /// The file is a template, read by its lines: what is rendered of it is not known.
    pub template: bool,
}

/// A file, or a part of one, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadFile {
    pub file: String,
    /// 1-based; 0 where it is about all of it.
    pub line: u32,
    pub why: String,
}
