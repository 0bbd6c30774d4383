//! The stack walk: from a function to its caller, as long as the stack makes sense.

use super::memory::Memory;
use super::row::Rule;
use super::table::Table;

/// Where a walk looks up how to leave the code at an address.
pub trait Rules {
    /// The rule for the instruction that holds `address`.
    fn lookup(&self, address: u64) -> Rule;
}

impl Rules for Table<'_> {
    #[inline]
    fn lookup(&self, address: u64) -> Rule {
        Table::lookup(self, address)
    }
}

impl<F: Fn(u64) -> Rule> Rules for F {
    #[inline]
    fn lookup(&self, address: u64) -> Rule {
        self(address)
    }
}

/// Offsets in the frame that Linux pushes for a signal, from the stack pointer that the trampoline
/// runs with: `ucontext.uc_mcontext` begins at 40, its registers are eight bytes each.
mod signal_frame {
    pub const RBP: u64 = 120;
    pub const RSP: u64 = 160;
    pub const RIP: u64 = 168;
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// An instruction's address if `exact`, else a return address.
    pub pc: u64,
    /// Stack pointer there (after the return, if `pc` is a return address).
    pub sp: u64,
    /// Frame pointer there.
    pub bp: u64,
    /// Whether `pc` is the instruction itself and not the one after a call.
    pub exact: bool,
}

/// The stack that a walk stays on when it follows frame pointers.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Lowest address.
    pub low: u64,
    /// Address past the top.
    pub high: u64,
}

impl Bounds {
    /// For a stack whose ends are not known: what `Memory` can read bounds the walk.
    pub const UNKNOWN: Self = Self {
        low: 0,
        high: u64::MAX,
    };

    const fn holds(self, at: u64, bytes: u64) -> bool {
        at >= self.low && at <= self.high && self.high - at >= bytes
    }
}

/// One caller that a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Return address, or the interrupted instruction if `exact`.
    pub pc: u64,
    /// Whether a signal interrupted the caller at `pc` itself.
    pub exact: bool,
}

/// Walks a stack; yields the callers, innermost first, without the position it starts at.
///
/// It ends at the outermost frame, at a zero return address, when the stack pointer would not move
/// upwards, when the stack cannot be read, or after the given number of frames.
#[derive(Clone, Debug)]
pub struct Walker<R, M> {
    rules: R,
    memory: M,
    bounds: Bounds,
    at: Position,
    left: usize,
}

impl<R: Rules, M: Memory> Walker<R, M> {
    /// A walk from `start` that yields at most `depth` callers.
    #[inline]
    pub fn new(rules: R, memory: M, bounds: Bounds, start: Position, depth: usize) -> Self {
        Self {
            rules,
            memory,
            bounds,
            at: start,
            left: depth,
        }
    }

    /// Where the walk stands: at the last yielded caller, or at the start.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.at
    }

    /// Stores return addresses into `frames`; returns how many there were room and stack for.
    #[inline]
    pub fn fill(self, frames: &mut [u64]) -> usize {
        let mut stored = 0;
        for (slot, caller) in frames.iter_mut().zip(self) {
            *slot = caller.pc;
            stored += 1;
        }
        stored
    }

    #[inline]
    fn caller(&self) -> Option<Position> {
        let at = self.at;
        // A call may be a function's last instruction: its return address is then the next one's.
        let inside = if at.exact {
            at.pc
        } else {
            at.pc.wrapping_sub(1)
        };
        match self.rules.lookup(inside) {
            Rule::End => None,
            Rule::Stack { cfa, saved } => self.above(at.sp.wrapping_add_signed(cfa.into()), saved),
            Rule::Frame { cfa, saved } => self.above(at.bp.wrapping_add_signed(cfa.into()), saved),
            Rule::Indirect { cfa_at, saved_at } => {
                let cfa = self.memory.read(at.bp.wrapping_add_signed(cfa_at.into()))?;
                let bp = self
                    .memory
                    .read(at.bp.wrapping_add_signed(saved_at.into()))?;
                self.above(cfa, 0).map(|caller| Position { bp, ..caller })
            }
            Rule::Signal => self.interrupted(),
            Rule::Unknown => self.by_frame_pointer(),
        }
    }

    /// The caller of a frame whose CFA is `cfa`.
    #[inline]
    fn above(&self, cfa: u64, saved: i32) -> Option<Position> {
        if cfa <= self.at.sp {
            return None;
        }
        let pc = self.memory.read(cfa.wrapping_sub(8))?;
        let bp = if saved == 0 {
            self.at.bp
        } else {
            self.memory.read(cfa.wrapping_add_signed(saved.into()))?
        };
        Some(Position {
            pc,
            sp: cfa,
            bp,
            exact: false,
        })
    }

    /// What a signal interrupted; its stack may be another one, above or below.
    #[cold]
    fn interrupted(&self) -> Option<Position> {
        let read = |offset| self.memory.read(self.at.sp.wrapping_add(offset));
        Some(Position {
            pc: read(signal_frame::RIP)?,
            sp: read(signal_frame::RSP)?,
            bp: read(signal_frame::RBP)?,
            exact: true,
        })
    }

    /// The caller, if the frame pointer looks like one.
    #[cold]
    fn by_frame_pointer(&self) -> Option<Position> {
        let bp = self.at.bp;
        if bp % 8 != 0 || bp < self.at.sp || !self.bounds.holds(bp, 16) {
            return None;
        }
        let pc = self.memory.read(bp.wrapping_add(8))?;
        let saved = self.memory.read(bp)?;
        Some(Position {
            pc,
            sp: bp.wrapping_add(16),
            bp: saved,
            exact: false,
        })
    }
}

impl<R: Rules, M: Memory> Iterator for Walker<R, M> {
    type Item = Caller;

    #[inline]
    fn next(&mut self) -> Option<Caller> {
        self.left = self.left.checked_sub(1)?;
        match self.caller() {
            Some(caller) if caller.pc != 0 => {
                self.at = caller;
                Some(Caller {
                    pc: caller.pc,
                    exact: caller.exact,
                })
            }
            _ => {
                self.left = 0;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::row::Row;
    use crate::unwind::table::index_of;
    use proptest::prelude::*;
    use std::vec::Vec;

    const BASE: u64 = 0x40_0000;
    const TEXT: u64 = 0x1000;
    const STACK: u64 = 0x7000;

    struct Scene {
        rows: Vec<Row>,
        index: Vec<u32>,
        words: Vec<u64>,
    }

    impl Scene {
        fn new(rules: &[(u32, Rule)], words: &[u64]) -> Self {
            let rows: Vec<Row> = rules
                .iter()
                .map(|&(start, rule)| Row::new(start, rule).expect("fits"))
                .collect();
            let index = index_of(&rows, TEXT).collect();
            Self {
                rows,
                index,
                words: words.to_vec(),
            }
        }

        fn walk(&self, start: Position, depth: usize) -> Vec<Caller> {
            let read = |at: u64| {
                let word = at.checked_sub(STACK)? / 8;
                self.words.get(usize::try_from(word).ok()?).copied()
            };
            let table = Table::new(BASE, TEXT, &self.rows, &self.index);
            let bounds = Bounds {
                low: STACK,
                high: STACK + 8 * self.words.len() as u64,
            };
            Walker::new(table, read, bounds, start, depth).collect()
        }
    }

    fn returns(pcs: &[u64]) -> Vec<Caller> {
        pcs.iter().map(|&pc| Caller { pc, exact: false }).collect()
    }

    fn at(pc: u64, sp: u64, bp: u64, exact: bool) -> Position {
        Position { pc, sp, bp, exact }
    }

    #[test]
    fn rows_lead_to_the_end_of_the_stack() {
        let scene = Scene::new(
            &[
                (0, Rule::End),
                (0x100, Rule::Stack { cfa: 24, saved: 0 }),
                (
                    0x200,
                    Rule::Frame {
                        cfa: 16,
                        saved: -16,
                    },
                ),
            ],
            // The innermost frame (0x100) uses two words; the next (0x200) keeps bp at STACK + 32.
            &[0, 0, BASE + 0x210, 0, 0x1234, BASE + 0x20, 0, 0],
        );
        let start = at(BASE + 0x100, STACK, STACK + 32, true);
        assert_eq!(scene.walk(start, 9), returns(&[BASE + 0x210, BASE + 0x20]));
        assert_eq!(scene.walk(start, 1), returns(&[BASE + 0x210]));
        assert_eq!(scene.walk(start, 0), returns(&[]));
    }

    #[test]
    fn a_call_that_ends_its_function_is_looked_up_in_it() {
        let scene = Scene::new(
            &[
                (0x100, Rule::Stack { cfa: 8, saved: 0 }),
                (0x110, Rule::End),
            ],
            &[BASE + 0x900],
        );
        let end = BASE + 0x110;
        assert_eq!(scene.walk(at(end, STACK, 0, true), 4), returns(&[]));
        assert_eq!(
            scene.walk(at(end, STACK, 0, false), 4),
            returns(&[BASE + 0x900])
        );
    }

    #[test]
    fn a_realigned_frame_is_left_through_memory() {
        let rule = Rule::Indirect {
            cfa_at: -8,
            saved_at: 0,
        };
        let scene = Scene::new(
            &[(0, rule), (0x100, Rule::End)],
            &[0, STACK + 48, 0x77, 0, 0, BASE + 0x101],
        );
        let start = at(BASE, STACK, STACK + 16, true);
        assert_eq!(scene.walk(start, 4), returns(&[BASE + 0x101]));
    }

    #[test]
    fn a_signal_leads_to_what_it_interrupted() {
        let mut words = [0u64; 30];
        words[0] = BASE + 0x11;
        words[1 + 15] = STACK + 232;
        words[1 + 20] = STACK + 200;
        words[1 + 21] = BASE + 0x200;
        words[25] = BASE + 0x301;
        let scene = Scene::new(
            &[
                (0, Rule::Stack { cfa: 8, saved: 0 }),
                (0x10, Rule::Signal),
                (0x200, Rule::Stack { cfa: 8, saved: 0 }),
                (0x300, Rule::End),
            ],
            &words,
        );
        let callers = scene.walk(at(BASE, STACK, 0, true), 9);
        let interrupted = Caller {
            pc: BASE + 0x200,
            exact: true,
        };
        assert_eq!(callers[1], interrupted);
        assert_eq!(callers[2].pc, BASE + 0x301);
        assert_eq!(callers.len(), 3);
    }

    #[test]
    fn frame_pointers_serve_where_there_is_no_row() {
        let scene = Scene::new(&[], &[STACK + 16, 0x500_0001, STACK + 32, 0x500_0002, 0, 0]);
        assert_eq!(
            scene.walk(at(0x500_0000, STACK, STACK, true), 9),
            returns(&[0x500_0001, 0x500_0002])
        );
        for bp in [STACK + 4, STACK - 8, STACK + 40, 0, u64::MAX - 7] {
            let start = at(0x500_0000, STACK, bp, true);
            assert_eq!(scene.walk(start, 9), returns(&[]), "{bp:#x}");
        }
    }

    #[test]
    fn a_stack_that_goes_down_ends_the_walk() {
        let scene = Scene::new(
            &[(
                0,
                Rule::Frame {
                    cfa: 16,
                    saved: -16,
                },
            )],
            &[STACK, BASE + 1, STACK, BASE + 1],
        );
        let callers = scene.walk(at(BASE, STACK + 8, STACK + 16, true), 100);
        assert_eq!(callers, returns(&[BASE + 1]));
    }

    proptest! {
        #[test]
        fn no_stack_makes_a_walk_panic_or_run_on(
            words in prop::collection::vec(
                prop_oneof![any::<u64>(), BASE..BASE + TEXT, STACK..STACK + 512],
                0..64,
            ),
            raw in prop::collection::vec((0u32..TEXT as u32, any::<i16>(), any::<u16>()), 0..32),
            pc in BASE..BASE + TEXT,
            sp in prop_oneof![any::<u64>(), STACK..STACK + 512],
            bp in prop_oneof![any::<u64>(), STACK..STACK + 512],
            exact in any::<bool>(),
        ) {
            let mut scene = Scene::new(&[], &words);
            scene.rows = raw
                .into_iter()
                .map(|(start, offset, packed)| Row { start, offset, packed })
                .collect();
            scene.rows.sort_by_key(|row| row.start);
            scene.index = index_of(&scene.rows, TEXT).collect();
            prop_assert!(scene.walk(at(pc, sp, bp, exact), 50).len() <= 50);
        }
    }
}
