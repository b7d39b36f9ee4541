//! `userland`: whether what K3s runs from is still what it extracted.

use belay_facts::UserlandFacts;
use belay_wire::Fault;

use crate::fault::refused;
use crate::process::process_facts;
use crate::{Installation, Places, extracted};

/// Reads all that the running version has extracted: hundreds of megabytes.
///
/// # Errors
/// When K3s does not run, or not from what it extracted, or there is no list.
pub fn userland(places: &Places) -> Result<UserlandFacts, Fault> {
    let found = Installation::find(places)?.ok_or_else(|| refused("no unit of this node runs K3s"))?;
    let process = process_facts(places, found.unit.main_pid, &found.data_dir);
    let data_hash = process.and_then(|process| process.data_hash);
    let data_hash = data_hash.ok_or_else(|| refused("K3s does not run now from what it extracted"))?;
    let (listed, damaged) = extracted::damaged(&found.data_dir.join("data").join(&data_hash))?;
    Ok(UserlandFacts { data_hash, listed, damaged })
}
