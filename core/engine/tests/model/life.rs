use belay_engine::{Event, Record, RunState};
use belay_plan::{Plan, Reached};

use super::World;

pub struct Life<'a> {
    pub plan: &'a Plan,
    pub records: Vec<Record>,
    pub state: RunState,
    pub generation: u64,
}

impl Life<'_> {
    pub fn record(&mut self, event: Event) {
        let record = Record {
            run: self.plan.id.clone(),
            generation: self.generation,
            at: jiff::Timestamp::UNIX_EPOCH,
            up: self.records.len() as u64,
            boot: "b".into(),
            event,
        };
        self.state.apply(self.plan, &record).unwrap_or_else(|why| panic!("{why}: {record:?}"));
        self.records.push(record);
    }

    /// As `belay resume` does it: a higher generation than any that the node knows, and what it did by itself taken over.
    pub fn resume(&mut self, world: &mut World) {
        let replayed = RunState::replay(self.plan, &self.records).unwrap();
        assert_eq!(replayed, self.state, "a replay differs from the life");
        self.state = replayed;
        self.generation = self.generation.max(world.fence) + 1;
        self.record(Event::Resumed { by: "test".into(), belay: "0".into(), back: false });
        world.fence = self.generation;
        let tale = world.tale();
        while let Some(turn) = self.state.adopted_turn(self.plan, &tale) {
            self.record(turn);
        }
        let Some(undo) = self.state.undo_to_adopt(self.plan, world.let_go) else { return };
        if world.is_done(undo.kind) {
            let proof = serde_json::Value::Null;
            for event in self.state.adopted_steps(self.plan, &undo, &proof, world.let_go) {
                self.record(event);
            }
        }
    }
}

/// Where its turns say that the run was.
pub fn turns(records: &[Record]) -> Vec<Reached> {
    let turn = |record: &Record| match &record.event {
        Event::Turn { reached, .. } => Some(*reached),
        _ => None,
    };
    records.iter().filter_map(turn).collect()
}
