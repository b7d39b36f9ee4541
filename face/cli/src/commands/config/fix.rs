use belay_checks::{Knowledge, config_fix};

use super::proposal::Proposal;
use super::show_unread;
use crate::args::{ConfigFixArgs, OutputFormat};
use crate::commands::Context;
use crate::commands::check::{read, take};
use crate::commands::policy::{running, target};
use crate::error::CommandError;
use crate::output;

/// facts → proposal → screen, and files below `--out`. Nothing of the node is written.
pub(super) async fn fix(context: &Context, args: &ConfigFixArgs) -> Result<u8, CommandError> {
    let to = target(&args.diff.to, &args.diff.channels).await?;
    let facts = match &args.diff.facts {
        Some(file) => read(file)?,
        None => take(context.node()).await?.facts,
    };
    let from = running(&facts)?;
    let knowledge = Knowledge::embedded().map_err(CommandError::internal)?;
    let propose = |node| Proposal::of(node, config_fix(node, &from, &to, &knowledge), &to);
    let mut proposals: Vec<Proposal> = facts.nodes.iter().map(propose).collect();
    if let Some(out) = &args.out {
        for (proposal, node) in proposals.iter_mut().zip(&facts.nodes) {
            proposal.write(out, node, &to)?;
        }
    }
    let unreadable: Vec<&String> = facts.nodes.iter().flat_map(|node| &node.config.unreadable).collect();
    match context.format {
        OutputFormat::Json => output::json(&serde_json::json!({
            "from": from, "to": to, "nodes": proposals, "unreadable": unreadable,
        }))?,
        OutputFormat::Text => {
            let style = output::style();
            for proposal in &proposals {
                output::print(&belay_report::config_fix_text(&proposal.fix, &to, unreadable.is_empty(), style));
                proposal.show(style);
            }
            show_unread(&facts);
            let files = proposals.iter().any(|proposal| !proposal.files.is_empty());
            let more = if args.out.is_none() && files { " Write the files with --out DIR." } else { "" };
            let note = format!("{from} → {to}. A proposal: nothing was changed.{more}");
            output::print(&format!("{}\n", style.dim(&note)));
        }
    }
    let asks = proposals.iter().any(|proposal| !proposal.fix.needs_you.is_empty());
    // A file that could not be read may hold anything.
    Ok(u8::from(asks || !unreadable.is_empty()))
}
