//! Objects as people and tools write them: YAML and JSON with their lines, and what the lines of a template say.
//!
//! Does not own where the text comes from (edge), nor what becomes of an API (checks). A crate of its own, because the helper reads
//! objects of a datastore and no manifests: an instance of the YAML parser that belay-objects makes costs it 50 KB.

mod templated;
mod written;

pub use templated::Templated;
pub use written::{NotYaml, Written};
