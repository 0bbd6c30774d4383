//! Programs made of steps, run on the simulated machine against the oracle.

use crate::machine::{Kind, Simulation};
use crate::model::Model;
use dangless_core::abi::config::Config;
use dangless_core::heap::FreeError;

/// One step of a program; indices are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Step {
    /// One object.
    Allocate { size: u64, align: u64, zeroed: bool },
    /// Many objects of one size, to fill chunks.
    Fill { size: u64, count: usize },
    /// Frees one object.
    Free(usize),
    /// Frees every object but those at multiples of this.
    Thin(usize),
    /// Makes one object larger or smaller.
    Reallocate { index: usize, size: u64 },
    /// A double free.
    FreeAgain(usize),
    /// A free of an address inside an object.
    FreeInside { index: usize, offset: u64 },
    /// Asks what is known of a live object and of a dead one.
    Describe { index: usize, offset: u64 },
    /// Finishes what is queued.
    Drain,
    /// Lets time pass.
    Pass(u64),
    /// So many grants more succeed.
    Grants(u64),
}

/// Runs a program and checks what it sees; answers how many operations there were.
pub fn run(kind: Kind, profile: u64, budget: u64, steps: Vec<Step>) -> u64 {
    run_configured(kind, &Simulation::config(profile, budget), steps)
}

/// As [`run`], with this configuration.
pub fn run_configured(kind: Kind, config: &Config, steps: Vec<Step>) -> u64 {
    let mut model = Model::configured(kind, config);
    for step in steps {
        let live = model.live.len();
        let dead = model.dead.len();
        match step {
            Step::Allocate {
                size,
                align,
                zeroed,
            } => {
                // Running out is allowed; what it may not do is break anything.
                let _ = model.allocate(size, align, zeroed);
            }
            Step::Fill { size, count } => {
                for _ in 0..count {
                    if model.allocate(size, 1, false).is_err() {
                        break;
                    }
                }
            }
            Step::Free(index) if live > 0 => model.free(index % live),
            Step::Thin(keep) => {
                for index in (0..live).rev().filter(|index| index % keep != 0) {
                    model.free(index);
                }
            }
            Step::Reallocate { index, size } if live > 0 => {
                let _ = model.reallocate(index % live, size);
            }
            Step::FreeAgain(index) if dead > 0 => {
                model.free_wrongly(model.dead[index % dead].at, FreeError::Double);
            }
            Step::FreeInside { index, offset } if live > 0 => {
                let object = &model.live[index % live];
                let inside = 1 + offset % (object.size.max(2) - 1);
                model.free_wrongly(object.at.add(inside), FreeError::Interior);
            }
            Step::Describe { index, offset } => {
                if live > 0 {
                    let object = &model.live[index % live];
                    model.check_description(object, offset % object.size.max(1), true);
                }
                if dead > 0 {
                    let object = &model.dead[index % dead];
                    model.check_description(object, offset % object.size.max(1), false);
                }
            }
            Step::Drain => model.drain(),
            Step::Pass(ticks) => model.machine().pass(ticks),
            Step::Grants(left) => model.machine().limit_blocks(left),
            Step::Free(_)
            | Step::Reallocate { .. }
            | Step::FreeAgain(_)
            | Step::FreeInside { .. } => {}
        }
        let recent = model.dead.iter().rev().take(40);
        for object in recent.chain(model.dead.iter().step_by(101)) {
            model.check_dead(object, config.revoke_budget >= 1000);
        }
    }
    model.check_all();
    model.machine().limit_blocks(u64::MAX);
    let operations = model.operations + model.live.len() as u64;
    model.finish();
    operations
}
