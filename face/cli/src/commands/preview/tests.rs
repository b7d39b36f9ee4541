use belay_runner::StateDir;

use super::*;
use crate::args::OutputFormat;
use crate::story::{self, Story};

fn write(context: &Context, story: &Story) {
    let dir = context.state.run(&story.plan.id);
    let mut journal = dir.create(&story.plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3)).unwrap();
    for record in &story.records {
        journal.append(record).unwrap();
    }
}

#[test]
fn upgrades_of_the_same_node_that_went_through_are_what_is_measured() {
    let temp = tempfile::tempdir().unwrap();
    let context = Context::new(StateDir::new(temp.path()), OutputFormat::Text, None);
    let facts = story::facts("v1.35.4+k3s1", 3);
    assert!(measured(&context, &facts).is_empty(), "there is not even a directory of runs");
    let story = story::committed();
    write(&context, &story);
    let runs: Vec<String> = measured(&context, &facts).into_iter().map(|run| run.run).collect();
    assert_eq!(runs, std::slice::from_ref(&story.plan.id));

    let mut another = facts.clone();
    another.nodes[0].name = "n2".to_owned();
    assert!(measured(&context, &another).is_empty(), "of another node");
    let mut another = facts.clone();
    another.cluster.as_mut().unwrap().id = "another".to_owned();
    assert!(measured(&context, &another).is_empty(), "of another cluster");

    // A damaged run is no reason not to foretell.
    std::fs::write(context.state.run(&story.plan.id).journal_path(), "broken\n").unwrap();
    assert!(measured(&context, &facts).is_empty());
}

#[test]
fn a_run_that_went_back_measures_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let context = Context::new(StateDir::new(temp.path()), OutputFormat::Text, None);
    write(&context, &story::kubelet_no());
    assert!(measured(&context, &story::facts("v1.35.4+k3s1", 3)).is_empty());
}
