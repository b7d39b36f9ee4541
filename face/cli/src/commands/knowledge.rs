use belay_checks::{Age, Counts, Knowledge};
use belay_report::{BundleReport, KnowledgeReport, Mark};
use belay_runner::knowledge::{BundleError, Installed, KnowledgeStore, Known, SignedBundle, TrustedKey};
use jiff::civil::Date;

use super::Context;
use super::policy::today;
use crate::args::{KnowledgeCommand, KnowledgeUpdateArgs, OutputFormat};
use crate::error::CommandError;
use crate::output;

/// What concerns the knowledge itself.
pub async fn knowledge(context: &Context, verb: &KnowledgeCommand) -> Result<u8, CommandError> {
    match verb {
        KnowledgeCommand::Update(args) => update(context, args).await,
        KnowledgeCommand::Show => show(context),
        KnowledgeCommand::Remove => remove(context),
    }
}

/// Fetched, verified, judged, and only then put into its place.
async fn update(context: &Context, args: &KnowledgeUpdateArgs) -> Result<u8, CommandError> {
    let key = args.key.as_deref().map(TrustedKey::named).transpose()?;
    let signed = SignedBundle::fetch(&args.from).await?;
    let store = KnowledgeStore::of(&context.state)?;
    let build = Knowledge::embedded().map_err(CommandError::internal)?;
    let installed = store.install(&signed, key.as_ref(), args.allow_older, build, today())?;
    match context.format {
        OutputFormat::Json => output::json(&bundle_report(&installed, today()))?,
        OutputFormat::Text => {
            let text = format!(
                "knowledge of {} (serial {}) is installed, signed by {}.",
                installed.bundle.date, installed.bundle.serial, installed.signer
            );
            output::print(&output::style().paragraph(Mark::Yes, &text));
        }
    }
    Ok(0)
}

fn show(context: &Context) -> Result<u8, CommandError> {
    let today = today();
    let build = Knowledge::embedded().map_err(CommandError::internal)?;
    let installed = KnowledgeStore::of(&context.state)?.installed();
    let Known { knowledge, notes } = Known::on(&context.state, build.clone(), today);
    // What is superseded or broken is told by a note; here is what is used.
    let used = |installed: &Installed| knowledge.bundles.iter().any(|mark| mark.digest == installed.bundle.digest);
    let report = KnowledgeReport {
        build_as_of: build.build_as_of,
        build_days: Age::in_days(build.build_as_of, today),
        build: Counts::of_knowledge(&build),
        bundles: installed.iter().flatten().filter(|one| used(one)).map(|one| bundle_report(one, today)).collect(),
        known: Counts::of_knowledge(&knowledge),
        notes,
    };
    match context.format {
        OutputFormat::Json => output::json(&report)?,
        OutputFormat::Text => output::print(&belay_report::knowledge_text(&report, output::style())),
    }
    Ok(0)
}

fn remove(context: &Context) -> Result<u8, CommandError> {
    let removed = KnowledgeStore::of(&context.state)?.remove()?;
    match context.format {
        OutputFormat::Json => output::json(&serde_json::json!({ "removed": removed }))?,
        OutputFormat::Text if removed => output::print("Removed; what this build carries is what is known.\n"),
        OutputFormat::Text => output::print("No bundle is installed; what this build carries is what is known.\n"),
    }
    Ok(0)
}

fn bundle_report(installed: &Installed, today: Date) -> BundleReport {
    BundleReport {
        serial: installed.bundle.serial,
        date: installed.bundle.date,
        days: Age::in_days(installed.bundle.date, today),
        digest: installed.bundle.digest.to_string(),
        signer: installed.signer.clone(),
        from: installed.from.clone(),
        installed_on: installed.installed_on,
        counts: Counts::of_bundle(&installed.bundle),
    }
}

impl From<BundleError> for CommandError {
    fn from(error: BundleError) -> Self {
        let hint = error.hint();
        hint.into_iter().fold(Self::refused(&error), Self::hinted)
    }
}
