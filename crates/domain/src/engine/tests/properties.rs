//! Random lives of sessions.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::events::{Op, op};
use super::invariants::{check_state, check_step};
use super::liveness::settle;
use super::model::Model;
use super::rig::Rig;

fn config() -> Config {
    Config { cases: 250, rng_seed: RngSeed::Fixed(29), failure_persistence: None, ..Config::default() }
}

fn live(start: Rig, ops: Vec<Op>) {
    let (mut rig, mut model) = (start, Model::default());
    for (step, op) in ops.into_iter().enumerate() {
        let Some(event) = op.event(&mut rig, step) else { continue };
        let before = rig.engine.clone();
        if let Ok(effects) = rig.apply(event.clone()) {
            check_step(&before, &event, &effects, &rig);
            model.follow(&event, &effects, &before, &rig.engine, rig.now);
        }
        model.compare(&rig);
        check_state(&rig);
        if step % 25 == 0 {
            settle(&mut rig.clone());
        }
    }
    settle(&mut rig);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_session_survives_everything(ops in prop::collection::vec(op(), 1..150)) {
        live(Rig::opened(), ops);
    }

    #[test]
    fn a_child_survives_everything(ops in prop::collection::vec(op(), 1..150)) {
        live(Rig::opened_as_child(), ops);
    }

    #[test]
    fn a_session_that_rests_when_idle_survives_everything(ops in prop::collection::vec(op(), 1..150)) {
        let mut rig = Rig::opened();
        rig.engine.timeouts.idle = Some(Duration::from_secs(300));
        live(rig, ops);
    }
}
