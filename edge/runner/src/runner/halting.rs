//! What ends a run before its time: a wish, or a journal that takes no records.

use belay_engine::Event;

use super::Runner;
use crate::RunError;

impl Runner {
    /// Somebody wishes that it halts: it goes back, unless it does already or has begun to commit.
    pub(super) async fn halt(&mut self, why: &str) -> Result<(), RunError> {
        self.go_back(why).await?;
        if !std::mem::replace(&mut self.halted, true) && self.book.state().end().is_none() {
            let told = self.book.state().turn().is_some_and(|(_, cause)| cause.why == why);
            if !told {
                let says = format!("{why}: what is under way is finished first, since it leads to a safe end");
                self.book.record(Event::Note { says })?;
            }
        }
        Ok(())
    }

    /// The journal takes no records any more. With K3s down the way back is tried all the same, until K3s is up.
    pub(super) async fn without_journal(&mut self) -> Result<(), RunError> {
        let state = self.book.state();
        if state.may_be_down(self.book.plan()) {
            return self.go_back("the journal of the run could not be written").await;
        }
        let instead = match (state.end(), state.turn()) {
            (Some(end), _) => format!("The way back was tried without it, and ended: {end}."),
            (None, Some(_)) => "The old version was started without it; its gates were not asked yet.".to_owned(),
            (None, None) => "K3s is up.".to_owned(),
        };
        let run = self.book.plan().id.clone();
        match self.book.take_unwritten() {
            Some(source) => Err(RunError::Unwritten { run, source, instead }),
            None => Ok(()),
        }
    }
}
