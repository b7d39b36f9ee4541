/// Why no patch can be made of an edit. Never the text of the file: it may be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("line {line} of {file} does not begin with `{key}:`")]
    OtherKey { file: String, line: u32, key: String },
    #[error("`{key}` of {file} is written in a way that only a human should change")]
    Unusual { file: String, key: String },
}
