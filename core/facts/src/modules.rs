use serde::{Deserialize, Serialize};

/// What the kernel that runs has loaded, and whether it can load more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleFacts {
    /// Names, sorted (`/proc/modules`). What is built in is not among them; none where the kernel has no modules.
    pub loaded: Vec<String>,
    /// `/lib/modules/<release>/modules.dep` of the kernel that runs is there. An update of the kernel's package may take it away until
    /// the node is booted, and then nothing more can be loaded.
    pub loadable: bool,
}
