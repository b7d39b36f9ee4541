/// What is wrong with a kubeconfig. It never holds anything of what is secret in one.
#[derive(Debug, thiserror::Error)]
#[error("the kubeconfig {file}: {why}")]
pub struct KubeconfigError {
    pub(super) file: String,
    pub(super) why: String,
    pub(super) next: String,
}

impl KubeconfigError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> String {
        self.next.clone()
    }
}
