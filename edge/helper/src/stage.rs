//! `stage`: makes a complete and verified slot of the artifact, and extracts it ahead of time.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use belay_journal::{crash_point, durable};
use belay_wire::{ArtifactSpec, Fault, Op, Reply, StageProof};
use rustix::fs::{Gid, OFlags, Uid};

use crate::command::run_well;
use crate::digests::digest_file;
use crate::fault::{Attempt as _, failed, refused};
use crate::inspect::stated_version;
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step};
use crate::{extracted, tree};

pub(crate) struct Stage;

impl Effect for Stage {
    type Proof = StageProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<StageProof>, Fault> {
        let Op::Stage { artifact, .. } = &step.mutation.op else { return Ok(Found::NotDone) };
        let slot = step.slot_digest()?;
        match (step.run().staged.clone(), slot) {
            // After the swap the other binary lies in the slot.
            (Some(proof), _) if proof.digest == artifact.digest && step.run().swap_intended => Ok(Found::Done(proof)),
            (Some(proof), Some(digest)) if digest == artifact.digest && proof.digest == digest => {
                Ok(match extracted::verify(&step.data_dir().join("data").join(&proof.data_hash), &step.digests) {
                    Ok(_) => Found::Done(proof),
                    Err(fault) => Found::Partial(fault.message),
                })
            }
            (None, None) if !scratch(step).exists() => Ok(Found::NotDone),
            _ => Ok(Found::Partial("the slot is not complete".into())),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let Op::Stage { artifact, .. } = &step.mutation.op else { return Err(refused("this is not a stage")) };
        if artifact.digest != step.target().new || artifact.tag != step.target().new_version {
            return Err(refused("the artifact is not the one that the plan names"));
        }
        let installed = step.binary_digest()?;
        if installed != step.target().old {
            let path = step.binary();
            return Err(refused(format!(
                "{} is {installed}, and the plan was made for another binary",
                path.display()
            )));
        }
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<StageProof, Fault> {
        let Op::Stage { artifact, have } = step.mutation.op.clone() else {
            return Err(refused("this is not a stage"));
        };
        let staged = stage(step, &artifact, have.as_deref());
        let cleaned = tree::remove_tree(&scratch(step));
        if staged.is_err() {
            let _ = durable::remove(&step.slot());
        }
        let proof = staged?;
        cleaned?;
        Ok(proof)
    }

    fn remembered(run: &NodeRun, proof: &StageProof) -> bool {
        run.staged.as_ref() == Some(proof)
    }

    fn proof(proof: &StageProof) -> Proof {
        Proof::Staged(proof.clone())
    }

    fn reply(proof: StageProof) -> Reply {
        Reply::Staged(proof)
    }
}

/// The scratch data directory: in the file system of the real one, so that what it extracts can be moved there.
fn scratch(step: &Step<'_>) -> PathBuf {
    step.data_dir().join(format!(".belay-extract-{}", step.mutation.run))
}

fn stage(step: &mut Step<'_>, artifact: &ArtifactSpec, have: Option<&str>) -> Result<StageProof, Fault> {
    let slot = step.slot();
    durable::remove(&slot).attempt(|| format!("the old slot {} could not be removed", slot.display()))?;
    write_slot(step, artifact, have)?;
    // Read again from the file: what was received is not what was verified, the bytes on the disk are (invariant I4).
    let (digest, size) = digest_file(&slot).attempt(|| format!("{} could not be read", slot.display()))?;
    if digest != artifact.digest {
        return Err(failed(format!("the artifact has {size} bytes and {digest}, expected {}", artifact.digest)));
    }
    crash_point(format_args!("wrote the slot"));
    make_executable(step, &slot)?;
    crash_point(format_args!("made the slot executable"));
    let scratch = scratch(step);
    tree::remove_tree(&scratch)?;
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&scratch)
        .attempt(|| format!("{} could not be created", scratch.display()))?;
    let said = run_staged(&slot, &scratch, &["--version"], Duration::from_secs(30))?;
    // A mirror that serves another release with matching sums is caught here.
    let version = stated_version(&said).filter(|version| *version == artifact.tag).ok_or_else(|| {
        let said = said.lines().next().unwrap_or_default();
        failed(format!("the artifact says `{said}`, and should be {}", artifact.tag))
    })?;
    step.channel.progress("extracting the new version ahead of time", 0, 0);
    run_staged(&slot, &scratch, &["kubectl", "version", "--client"], Duration::from_secs(120))?;
    crash_point(format_args!("extracted"));
    let (data_hash, inner, extracted_before) = move_in(step, &slot, &scratch)?;
    Ok(StageProof { slot: slot.to_string_lossy().into_owned(), digest, version, data_hash, inner, extracted_before })
}

fn write_slot(step: &mut Step<'_>, artifact: &ArtifactSpec, have: Option<&str>) -> Result<(), Fault> {
    let slot = step.slot();
    let what = || format!("the slot {} could not be written", slot.display());
    // 0600: nobody can execute it before it is verified.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&slot)
        .attempt(what)?;
    let mut written = 0u64;
    let mut source = match have {
        Some(path) => Some(File::open(path).attempt(|| format!("the artifact {path} could not be opened"))?),
        None => None,
    };
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let piece = match &mut source {
            Some(file) => {
                let read = file.read(&mut buffer).attempt(|| "the artifact could not be read")?;
                buffer.get(..read).unwrap_or_default().to_vec()
            }
            None => step.channel.bytes()?,
        };
        if piece.is_empty() {
            break;
        }
        written += piece.len() as u64;
        // An endless artifact must not fill the disk that the way back needs.
        if written > artifact.size {
            return Err(failed(format!("the artifact is longer than the {} bytes that the plan names", artifact.size)));
        }
        file.write_all(&piece).attempt(what)?;
        step.channel.progress("writing the slot", written, artifact.size);
    }
    if written != artifact.size {
        return Err(failed(format!("the artifact ended after {written} of {} bytes", artifact.size)));
    }
    file.sync_all().and_then(|()| durable::sync_parent(&slot)).attempt(what)
}

/// Gives the slot owner, mode and label of the installed binary.
fn make_executable(step: &Step<'_>, slot: &Path) -> Result<(), Fault> {
    let binary = step.binary();
    let what = || format!("the slot could not be given the mode and owner of {}", binary.display());
    let meta = fs::metadata(&binary).attempt(what)?;
    rustix::fs::chown(slot, Some(Uid::from_raw(meta.uid())), Some(Gid::from_raw(meta.gid()))).attempt(what)?;
    tree::copy_xattrs(&binary, slot).attempt(what)?;
    fs::set_permissions(slot, meta.permissions()).attempt(what)?;
    File::open(slot).and_then(|file| file.sync_all()).attempt(what)
}

/// Runs the staged binary with nothing but a scratch data directory in its environment, so that it cannot move the
/// links of the live one under the running kubelet.
fn run_staged(slot: &Path, scratch: &Path, arguments: &[&str], within: Duration) -> Result<String, Fault> {
    let mut command = Command::new(slot);
    command
        .args(arguments)
        .env_clear()
        .env("K3S_DATA_DIR", scratch)
        .env("HOME", scratch)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(scratch);
    let output = run_well(&mut command, within);
    Ok(output.attempt(|| format!("the artifact did not answer `{}`", arguments.join(" ")))?.stdout)
}

/// Verifies what was extracted and moves it to the live `data/`, where nothing else is touched. Returns the hash, the
/// digest of the inner executable, and whether it was there before.
fn move_in(step: &Step<'_>, slot: &Path, scratch: &Path) -> Result<(String, belay_facts::Digest, bool), Fault> {
    let live = step.data_dir().join("data");
    let fresh = extracted::hashes(&scratch.join("data"));
    let hash = match fresh.as_slice() {
        [hash] => hash.clone(),
        // K3s uses what is extracted in its default directory already, and then extracts nothing.
        [] => extracted::hash_named_in(slot, &live)?
            .ok_or_else(|| failed("the artifact ran and extracted nothing, and is not one that is extracted here"))?,
        more => return Err(failed(format!("the artifact extracted {} versions instead of one", more.len()))),
    };
    let there = live.join(&hash);
    if there.exists() {
        return Ok((hash, extracted::verify(&there, &step.digests)?, true));
    }
    let made = scratch.join("data").join(&hash);
    let inner = extracted::verify(&made, &step.digests)?;
    extracted::sync_file_system(&made)?;
    durable::rename(&made, &there).attempt(|| format!("{} could not be moved into place", there.display()))?;
    Ok((hash, inner, false))
}
