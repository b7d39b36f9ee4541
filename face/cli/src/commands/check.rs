use std::path::Path;

use belay_checks::{
    ApiUser, Baseline, BundleMark, Finding, Knowledge, Severity, api_users, blocks, findings_over, table,
};
use belay_facts::{Destination, FORMAT, Facts, K3sVersion, ManifestFolder};
use belay_node::Link;
use belay_plan::Preview;
use belay_report::{CheckReport, Mark, check_junit, check_markdown, check_sarif, count};
use belay_runner::knowledge::Known;
use belay_runner::{
    Clock, Gathered, Kubeconfig, gather, gather_objects, gather_userland, manifest_folder, trace_of_k3s,
};
use serde::Serialize;

use super::Context;
use super::policy::{judge, ladder_hints, name_holder, no_release, policy, target};
use super::preview::{preview, show_preview};
use crate::args::{CheckArgs, FailOn, Objects, Output};
use crate::error::CommandError;
use crate::output;

/// facts → findings → screen.
pub async fn check(context: &Context, args: &CheckArgs, output: Output) -> Result<u8, CommandError> {
    let known_here = context.known()?;
    let knowledge = &known_here.knowledge;
    let policy = policy(&args.accept.accept, knowledge)?;
    let baseline = args.baseline.as_deref().map(baseline).transpose()?;
    let to = match &args.to {
        Some(to) => Some(target(to, &args.channels).await?),
        None => None,
    };
    let folders = args.manifests.iter().map(|dir| manifest_folder(dir)).collect::<Result<Vec<_>, _>>()?;
    if let Some(empty) = folders.iter().find(|folder| folder.objects == 0 && folder.unread.is_empty()) {
        return Err(no_manifest(empty));
    }
    let kubeconfig = args.kubeconfig.as_deref().map(Kubeconfig::read).transpose()?;
    let of_a_node = context.node().is_some() || args.objects.is_some() || args.deep || kubeconfig.is_some();
    let alone = !of_a_node && !folders.is_empty() && trace_of_k3s().is_none();
    let Gathered { mut facts, notes, holding } = match &args.facts {
        Some(file) => Gathered { facts: read(file)?, notes: Vec::new(), holding: None },
        None if alone => folders_alone(),
        None => take_as(context.node(), args.objects, args.deep, kubeconfig.as_ref()).await?,
    };
    // Nothing but the tables can say that such a target is none: there is no cluster whose rules would.
    if let Some(to) = to.as_ref().filter(|to| alone && !is_plausible(to, knowledge)) {
        return Err(no_release(to, knowledge));
    }
    if !folders.is_empty() {
        facts.manifests = Some(folders);
    }
    if let Some(file) = &args.save_facts {
        write(file, "the facts", &facts)?;
    }
    let mut found = judge(&facts, to.clone(), &policy, knowledge)?;
    name_holder(&mut found, holding.as_ref());
    let preview = match &to {
        Some(to) => preview(context, &facts, &found, to, None)?,
        None => None,
    };
    if let Some(file) = &args.write_baseline {
        write(file, "the baseline", &Baseline::of(&found))?;
    }
    let is_known = |finding: &Finding| baseline.as_ref().is_some_and(|baseline| baseline.knows(finding));
    let (known, findings): (Vec<Finding>, Vec<Finding>) = found.into_iter().partition(is_known);
    let limit = match args.fail_on {
        FailOn::Info => Some(Severity::Info),
        FailOn::Warn => Some(Severity::Warn),
        FailOn::Block => Some(Severity::Block),
        FailOn::Never => None,
    };
    let users = to.as_ref().map(|to| api_users(&facts, to, knowledge)).unwrap_or_default();
    let ladder = to.as_ref().filter(|_| blocks(&findings)).and_then(|to| ladder_hints(&facts, to, knowledge));
    let shown = Shown {
        to: to.as_ref(),
        findings: &findings,
        known: &known,
        notes: &notes,
        limit,
        ladder,
        preview,
        users: &users,
        facts: &facts,
        judged_by: known_here,
    };
    shown.print(output)?;
    Ok(u8::from(limit.is_some_and(|limit| findings_over(&findings, limit))))
}

/// What was found, and everything that is said about it.
struct Shown<'a> {
    to: Option<&'a K3sVersion>,
    findings: &'a [Finding],
    known: &'a [Finding],
    notes: &'a [String],
    limit: Option<Severity>,
    ladder: Option<Vec<String>>,
    preview: Option<Preview>,
    users: &'a [ApiUser],
    facts: &'a Facts,
    judged_by: &'a Known,
}

/// Which knowledge has judged, for machines: the same facts may be judged otherwise by another.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JudgedBy<'a> {
    build_as_of: jiff::civil::Date,
    bundles: &'a [BundleMark],
    notes: &'a [String],
}

impl<'a> JudgedBy<'a> {
    fn of(known: &'a Known) -> Self {
        let Known { knowledge, notes } = known;
        Self { build_as_of: knowledge.build_as_of, bundles: &knowledge.bundles, notes }
    }
}

impl Shown<'_> {
    fn print(&self, output: Output) -> Result<(), CommandError> {
        match output {
            Output::Json => {
                #[derive(Serialize)]
                struct Checked<'a> {
                    to: Option<&'a K3sVersion>,
                    findings: &'a [Finding],
                    known: &'a [Finding],
                    notes: &'a [String],
                    next: &'a [String],
                    users: &'a [ApiUser],
                    knowledge: JudgedBy<'a>,
                    preview: Option<&'a Preview>,
                    facts: &'a Facts,
                }
                let next = self.ladder.as_deref().unwrap_or_default();
                let Self { to, findings, known, notes, users, facts, .. } = *self;
                let knowledge = JudgedBy::of(self.judged_by);
                let preview = self.preview.as_ref();
                output::json(&Checked { to, findings, known, notes, next, users, knowledge, preview, facts })
            }
            Output::Text => {
                output::print(&belay_report::known_text(self.known, output::style()));
                if let Some(objects) = &self.facts.objects {
                    output::print(&belay_report::objects_text(objects, self.facts.taken_at, output::style()));
                }
                for folder in self.facts.manifests.iter().flatten() {
                    output::print(&belay_report::folder_text(folder, output::style()));
                }
                if self.findings.is_empty() && !self.known.is_empty() {
                    let text = "nothing new is found; an upgrade is judged without the baseline.";
                    output::print(&output::style().paragraph(Mark::Yes, text));
                    show_rest(self.to, self.notes);
                } else {
                    show(self.to, self.findings, self.notes);
                }
                output::print(&belay_report::api_users_text(self.users, output::style()));
                for hint in self.ladder.iter().flatten() {
                    output::print(&output::style().paragraph(Mark::Known, hint));
                }
                show_preview(self.preview.as_ref());
                Ok(())
            }
            Output::Junit | Output::Sarif | Output::Markdown => {
                let mut rules = table(&self.judged_by.knowledge);
                let (read, named) = (self.facts.objects.is_some(), self.facts.manifests.is_some());
                let alone = self.facts.of_folders_alone();
                let deep = self.facts.nodes.iter().any(|node| node.userland.is_some());
                rules.retain(|rule| {
                    (self.to.is_some() || !rule.needs_target)
                        && (read || !rule.needs_objects)
                        && (named || !rule.needs_manifests)
                        && (deep || !rule.needs_deep)
                        && (rule.needs_manifests || !alone)
                });
                let Self { to, findings, known, limit, users, .. } = *self;
                let report = CheckReport { to, findings, known, limit, users, rules: &rules };
                match output {
                    Output::Sarif => return output::json(&check_sarif(&report, env!("CARGO_PKG_VERSION"))),
                    Output::Markdown => output::print(&check_markdown(&report)),
                    _ => output::print(&check_junit(&report)),
                }
                Ok(())
            }
        }
    }
}

fn baseline(file: &Path) -> Result<Baseline, CommandError> {
    const WRITE: &str = "write one with: belay check --write-baseline FILE";
    let text = std::fs::read_to_string(file).map_err(|error| {
        let why = format!("could not read the baseline from {}: {error}", file.display());
        CommandError::refused(why).hinted(WRITE)
    })?;
    Baseline::from_json(&text).map_err(|error| CommandError::refused(error).about(file).hinted(WRITE))
}

fn write<T: Serialize>(file: &Path, what: &str, model: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(model).map_err(CommandError::internal)?;
    std::fs::write(file, text + "\n")
        .map_err(|error| CommandError::refused(format!("could not write {what} to {}: {error}", file.display())))
        .map_err(|error| error.hinted("name a file that you may write, in a directory that is there"))
}

/// Findings, and what could not be read, for people.
pub fn show(to: Option<&belay_facts::K3sVersion>, findings: &[belay_checks::Finding], notes: &[String]) {
    output::print(&belay_report::findings_text(findings, output::style()));
    show_rest(to, notes);
}

/// What could not be read, and what was not asked.
fn show_rest(to: Option<&K3sVersion>, notes: &[String]) {
    let style = output::style();
    for note in notes {
        output::print(&format!("{} {}\n", style.dim("not read:"), style.plain(note)));
    }
    if to.is_none() {
        let more = style.dim("Judged without a target; more is known with one: belay check --to TAG");
        output::print(&format!("{more}\n"));
    }
}

/// Whoever names a folder wants to hear about something in it.
fn no_manifest(folder: &ManifestFolder) -> CommandError {
    let ManifestFolder { dir, files, .. } = folder;
    let why = match files {
        0 => "it has no file that ends in .yaml, .yml or .json".to_owned(),
        _ => format!(
            "{} there, and none names an apiVersion",
            count(usize::try_from(*files).unwrap_or(usize::MAX), "file is", "files are")
        ),
    };
    CommandError::refused(format!("there is no manifest in {dir}: {why}"))
        .hinted("name the folder that has them, or one file: --manifests DIR")
}

/// A release that is known, or one that may have come out since.
fn is_plausible(to: &K3sVersion, knowledge: &Knowledge) -> bool {
    knowledge.releases.exists(to) || knowledge.releases.may_be_newer(to)
}

/// Facts of nothing yet: this machine has no K3s, and somebody wants to know of folders only.
fn folders_alone() -> Gathered {
    let taken_at = Clock::of_this_machine().wall();
    let (cluster, nodes, objects, manifests, unread) = (None, Vec::new(), None, None, Vec::new());
    let facts = Facts { belay: FORMAT.to_owned(), taken_at, cluster, nodes, objects, manifests, unread };
    let notes = vec!["a cluster: this machine has no K3s, so only the folders were judged".to_owned()];
    Gathered { facts, notes, holding: None }
}

/// The facts of a node, or of this machine.
pub async fn take(over: Option<&Destination>) -> Result<Gathered, CommandError> {
    take_with(over, None, false).await
}

/// The same with what takes longer to read: what the objects of the cluster are, where they are asked for, and whether K3s'
/// userland is whole, which every plan wants to know.
pub async fn take_with(
    over: Option<&Destination>,
    objects: Option<Objects>,
    deep: bool,
) -> Result<Gathered, CommandError> {
    take_as(over, objects, deep, None).await
}

/// The same, with the API asked as a kubeconfig says instead of as its administrator.
async fn take_as(
    over: Option<&Destination>,
    objects: Option<Objects>,
    deep: bool,
    kubeconfig: Option<&Kubeconfig>,
) -> Result<Gathered, CommandError> {
    let name = over.map_or_else(|| "this node".to_owned(), ToString::to_string);
    let mut link = Link::open(&name, over).await.map_err(|error| {
        let hint = error.hint();
        let refused = CommandError::refused(error);
        hint.into_iter().fold(refused, CommandError::hinted)
    })?;
    let mut gathered = gather(&mut link, &Clock::of_this_machine(), kubeconfig).await?;
    if deep {
        gather_userland(&mut link, &mut gathered).await;
    }
    if let Some(which) = objects {
        gather_objects(&mut link, which == Objects::Now, &mut gathered).await;
    }
    Ok(gathered)
}

const WRITE_FACTS: &str = "write them with: belay check --save-facts FILE";

/// Facts that were saved.
pub fn read(file: &Path) -> Result<Facts, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::refused(format!("could not read the facts from {}: {error}", file.display())))
        .map_err(|error| error.hinted(WRITE_FACTS))?;
    Facts::from_json(&text).map_err(|error| CommandError::refused(error).about(file).hinted(WRITE_FACTS))
}
