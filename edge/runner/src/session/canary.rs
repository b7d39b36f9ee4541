use belay_cluster::{CanaryTime, ClusterError};

use super::Session;
use crate::canary_ahead::CanaryAhead;

impl Session {
    /// The image that a canary starts from; `None` where the node has none.
    #[must_use]
    pub fn canary_image(&self) -> Option<String> {
        Some(self.before.cluster.as_ref()?.canary.as_ref()?.image.clone())
    }

    /// The canary that is asked for next: begun now, unless it was. One before the stop may still be going when that after
    /// the start comes, so they have names of their own.
    ///
    /// # Errors
    /// When the API cannot be reached now.
    pub async fn begin_canary(&mut self, started: bool) -> Result<Option<&mut CanaryAhead>, ClusterError> {
        if self.canary.as_ref().is_none_or(CanaryAhead::is_spent)
            && let Some(image) = self.canary_image()
        {
            let (api, node) = (self.api().await?, self.node().to_owned());
            let when = if started { CanaryTime::AfterStart } else { CanaryTime::BeforeStop };
            self.canary = Some(CanaryAhead::begin(api, (self.run.clone(), when), node, image));
        }
        Ok(self.canary.as_mut())
    }

    /// Takes away what a canary or a gate of this run may have left in the cluster, and of the run whose state was brought back: a backup is
    /// taken while the canary of its run comes up. A sentence for each thing, and one where something stood in the way.
    pub async fn clean_cluster(&mut self, restored: Option<&str>) -> Vec<String> {
        // What goes already is let go; what was begun for nothing is taken away below.
        if let Some(mut canary) = self.canary.take().filter(CanaryAhead::is_spent) {
            canary.ended().await;
        }
        let runs = to_clean(&self.run, restored);
        let Ok(api) = self.api().await else { return Vec::new() };
        let mut said = Vec::new();
        for run in runs {
            let cleaned = api.cleanup(&run).await;
            said.extend(cleaned.removed.into_iter().map(|what| format!("removed {what}")));
            if let Some(error) = cleaned.stopped {
                said.push(format!("something of run {run} may be left in the cluster: {error}"));
                break;
            }
        }
        said
    }
}

/// This run, and the one whose state was brought back with what it had in the cluster then.
fn to_clean(run: &str, restored: Option<&str>) -> Vec<String> {
    let restored = restored.filter(|restored| *restored != run);
    [Some(run), restored].into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a newcomer: it ran on for good, and a check called it somebody's own.
    #[test]
    fn the_canary_of_the_run_that_was_brought_back_stayed() {
        assert_eq!(to_clean("r2", Some("r1")), ["r2", "r1"]);
        assert_eq!(to_clean("r2", None), ["r2"]);
        assert_eq!(to_clean("r2", Some("r2")), ["r2"]);
    }
}
