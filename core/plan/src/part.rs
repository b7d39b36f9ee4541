/// A part of K3s that writes to disk: its minor in the old and in the new release, where the release tables know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `etcd`, `kine` or `containerd`.
    pub name: String,
    /// Such as `3.6`.
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Part {
    /// Both minors, where both are known and differ.
    #[must_use]
    pub fn moved(&self) -> Option<(&str, &str)> {
        self.from.as_deref().zip(self.to.as_deref()).filter(|(from, to)| from != to)
    }
}
