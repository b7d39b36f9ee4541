use belay_facts::Coordinator;
use belay_journal::{durable, this_process};
use serde::{Deserialize, Serialize};

use crate::{RunDir, RunError};

/// Somebody's wish that a run halts, as it lies in the run's directory: `halt`. It is for one process and no other, so that
/// one that resumes later is not halted by a wish that its predecessor did not live to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HaltWish {
    pub by: Coordinator,
    pub to: Coordinator,
}

impl RunDir {
    fn halt_path(&self) -> std::path::PathBuf {
        self.path().join("halt")
    }

    /// Asks the coordinator `to` to halt. It looks between two commands, and while gates are asked.
    ///
    /// # Errors
    /// When the wish cannot be written.
    pub fn wish_halt(&self, to: Coordinator) -> Result<HaltWish, RunError> {
        let wish = HaltWish { by: this_process(), to };
        self.write("halt", &serde_json::to_vec(&wish).unwrap_or_default())?;
        Ok(wish)
    }

    /// The wish that this process halts; one for another process is none.
    #[must_use]
    pub fn halt_wished(&self, of: &Coordinator) -> Option<HaltWish> {
        let wish: HaltWish = serde_json::from_slice(&std::fs::read(self.halt_path()).ok()?).ok()?;
        wish.to.is_same(of).then_some(wish)
    }

    /// Nobody is left to hear it.
    pub fn forget_halt(&self) {
        let _ = durable::remove(&self.halt_path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateDir;

    #[test]
    fn a_wish_is_for_one_process_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::new(temp.path()).run("2026-11-23-3fa9");
        std::fs::create_dir_all(dir.path()).unwrap();
        let own = this_process();
        assert_eq!(dir.halt_wished(&own), None);
        // The number of a coordinator that was killed, given out again.
        dir.wish_halt(Coordinator { started: own.started + 1, ..own.clone() }).unwrap();
        assert_eq!(dir.halt_wished(&own), None);
        let wish = dir.wish_halt(own.clone()).unwrap();
        assert_eq!(dir.halt_wished(&own), Some(wish));
        dir.forget_halt();
        assert_eq!(dir.halt_wished(&own), None);
        // Half a file is no wish.
        std::fs::write(dir.path().join("halt"), "{\"by\"").unwrap();
        assert_eq!(dir.halt_wished(&own), None);
    }
}
