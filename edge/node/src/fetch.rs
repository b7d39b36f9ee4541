use std::path::Path;

use belay_facts::Span;
use belay_wire::{BackupListing, Reply, Request};
use tokio::io::AsyncWriteExt as _;

use crate::{Link, LinkError};

/// How long a list of some hundred files may take.
const LIST: Span = Span::seconds(30);

impl Link {
    /// What the stored backup of a run holds.
    ///
    /// # Errors
    /// When there is none, or the node does not answer.
    pub async fn backup(&mut self, run: &str) -> Result<BackupListing, LinkError> {
        let what = "list its backup";
        match self.call(&Request::ListBackup { run: run.to_owned() }, what, LIST, |_| {}).await? {
            Reply::Backup(listing) => Ok(listing),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }

    /// Brings one file of the backup to `to`, made new with mode 0600 and synced; its bytes.
    ///
    /// # Errors
    /// As `backup`, and when `to` cannot be written.
    pub async fn fetch(&mut self, run: &str, name: &str, to: &Path, within: Span) -> Result<u64, LinkError> {
        let failed = |source| LinkError::Write { path: to.display().to_string(), source };
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(to).await.map_err(failed)?;
        let request = Request::ReadBackup { run: run.to_owned(), name: name.to_owned() };
        let what = format!("send {name} of its backup");
        let reply = self.call_into(&request, &mut file, to, &what, within).await?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        match reply {
            Reply::Read { bytes } => Ok(bytes),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what }),
        }
    }
}
