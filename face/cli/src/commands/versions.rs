use belay_checks::{Knowledge, ReleaseGraph, Standing, Survey};
use belay_facts::K3sVersion;
use belay_runner::vault;
use serde::Serialize;

use super::Context;
use super::policy::{no_release, target, today};
use crate::args::{OutputFormat, VersionsArgs};
use crate::error::CommandError;
use crate::output;

/// What is known here, joined with what the channel server says and the mirror has. Offline it says so, and what is known.
pub async fn versions(context: &Context, args: &VersionsArgs) -> Result<u8, CommandError> {
    let knowledge = &context.known()?.knowledge;
    if let Some(tag) = &args.hazards {
        return hazards(context, tag, knowledge);
    }
    if let Some(from) = &args.from {
        return ladder(context, from, args, knowledge).await;
    }
    let mut notes = Vec::new();
    let channels = match vault::channels(&args.channels).await {
        Ok(channels) => channels,
        Err(error) => {
            notes.push(format!("the channels are not known now: {error}"));
            Vec::new()
        }
    };
    let mut survey = Survey::of(&knowledge.releases, channels, today());
    if let Some(mirror) = &args.mirror {
        let arch = architecture();
        for line in &mut survey.minors {
            match vault::holds(mirror, &line.newest, arch).await {
                Ok(has) => line.in_mirror = Some(has),
                // Somebody named a directory; that it is not there is no answer about releases.
                Err(error @ vault::VaultError::NoMirror { .. }) => return Err(error.into()),
                Err(error) => {
                    // One that does not answer is asked once, not fourteen times.
                    notes.push(format!("what the mirror has is not known now: {error}"));
                    break;
                }
            }
        }
    }
    match context.format {
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Versions<'a> {
                #[serde(flatten)]
                survey: &'a Survey,
                notes: &'a [String],
            }
            output::json(&Versions { survey: &survey, notes: &notes })?;
        }
        OutputFormat::Text => {
            let style = output::style();
            output::print(&belay_report::versions_text(&survey, style));
            for note in &notes {
                output::print(&style.paragraph(belay_report::Mark::Unsure, note));
            }
        }
    }
    Ok(0)
}

/// What is known to be wrong with one release, also with one of a minor that has ended.
fn hazards(context: &Context, tag: &K3sVersion, knowledge: &Knowledge) -> Result<u8, CommandError> {
    let release = knowledge.releases.look_up(tag);
    if !release.known {
        return Err(CommandError::refused(format!(
            "{tag} is not in this build's tables of {}, so what is wrong with it is not known here",
            knowledge.releases.as_of
        ))
        .hinted("is the tag right? `belay versions` lists the newest; K3s' notes: https://docs.k3s.io/release-notes"));
    }
    match context.format {
        OutputFormat::Json => output::json(&serde_json::json!({
            "tag": tag, "as-of": knowledge.releases.as_of, "hazards": release.hazards,
        }))?,
        OutputFormat::Text if release.hazards.is_empty() => {
            output::print(&format!(
                "Nothing that is wrong with {tag} is known here, as of {}.\n",
                knowledge.releases.as_of
            ));
        }
        OutputFormat::Text => output::print(&belay_report::hazards_text(&release.hazards, output::style())),
    }
    Ok(0)
}

/// The safe ladder from a release, also when it is not this node's. Exit code 1 when there is none.
async fn ladder(
    context: &Context,
    from: &K3sVersion,
    args: &VersionsArgs,
    knowledge: &Knowledge,
) -> Result<u8, CommandError> {
    if !knowledge.releases.exists(from) {
        return Err(no_release(from, knowledge));
    }
    let standing = Standing { tag: from.clone(), datastore: args.datastore.map(Into::into), etcd: None };
    let graph = ReleaseGraph::of(&knowledge.releases, &standing);
    let to = match &args.to {
        Some(to) => target(to, &args.channels).await?,
        None => graph.newest().cloned().unwrap_or_else(|| from.clone()),
    };
    let found = graph.route(&to);
    match (&found, context.format) {
        (Ok(route), _) if args.dot => output::print(&belay_report::route_dot(route)),
        (Err(no), _) if args.dot => {
            let hint = no.nearest.as_ref().map(|nearest| format!("draw the nearest that is safe: --to {}", nearest.to));
            return Err(hint.into_iter().fold(CommandError::refused(no), CommandError::hinted));
        }
        (Ok(route), OutputFormat::Json) => output::json(route)?,
        (Err(no), OutputFormat::Json) => output::json(&serde_json::json!({ "no-route": no }))?,
        (Ok(route), OutputFormat::Text) => output::print(&belay_report::route_text(route, output::style())),
        (Err(no), OutputFormat::Text) => output::print(&belay_report::no_route_text(no, output::style())),
    }
    Ok(u8::from(found.is_err()))
}

/// This machine's architecture by the name that K3s gives it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
