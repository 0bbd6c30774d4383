//! One row of the unwind table: how to leave the code from one address up to the next row's.
//!
//! The canonical frame address (CFA) is the stack pointer's value before the call that made the
//! frame; the return address lies in the eight bytes below it. All offsets are multiples of eight
//! and are stored divided by eight.

/// Bits of [`Row::packed`] that hold the kind.
const KIND_BITS: u32 = 3;
const KIND_MASK: u16 = (1 << KIND_BITS) - 1;

const UNKNOWN: u16 = 0;
const END: u16 = 1;
const STACK: u16 = 2;
const FRAME: u16 = 3;
const INDIRECT: u16 = 4;
const SIGNAL: u16 = 5;

/// How to find the caller of a function from a point inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is known: the walk may try the frame pointer.
    Unknown,
    /// The outermost frame: there is no caller.
    End,
    /// CFA = stack pointer + `cfa`; the frame pointer is saved at CFA + `saved`, or unchanged if 0.
    Stack {
        /// Distance from the stack pointer to the CFA.
        cfa: i32,
        /// Distance from the CFA to the saved frame pointer, 0 if it was not saved.
        saved: i32,
    },
    /// CFA = frame pointer + `cfa`; `saved` as above.
    Frame {
        /// Distance from the frame pointer to the CFA.
        cfa: i32,
        /// Distance from the CFA to the saved frame pointer, 0 if it was not saved.
        saved: i32,
    },
    /// The CFA is kept in memory at frame pointer + `cfa_at` (functions that realign the stack).
    Indirect {
        /// Distance from the frame pointer to the word that holds the CFA.
        cfa_at: i32,
        /// Distance from the frame pointer to the saved frame pointer.
        saved_at: i32,
    },
    /// The return trampoline of a signal handler: the interrupted registers lie on the stack.
    Signal,
}

/// One packed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Row {
    /// First address the row speaks of, as an offset from the table's base.
    pub start: u32,
    /// The first offset of the rule, divided by eight.
    pub offset: i16,
    /// Kind in the low three bits, the second offset divided by eight in the others.
    pub packed: u16,
}

impl Row {
    /// Packs `rule`; `None` if an offset is no multiple of eight or does not fit.
    #[must_use]
    pub fn new(start: u32, rule: Rule) -> Option<Self> {
        let (kind, first, second) = match rule {
            Rule::Unknown => (UNKNOWN, 0, 0),
            Rule::End => (END, 0, 0),
            Rule::Signal => (SIGNAL, 0, 0),
            Rule::Stack { cfa, saved } => (STACK, cfa, saved),
            Rule::Frame { cfa, saved } => (FRAME, cfa, saved),
            Rule::Indirect { cfa_at, saved_at } => (INDIRECT, cfa_at, saved_at),
        };
        if first % 8 != 0 || second % 8 != 0 {
            return None;
        }
        let offset = i16::try_from(first / 8).ok()?;
        let second = i16::try_from(second / 8).ok()?;
        let packed = second << KIND_BITS;
        if packed >> KIND_BITS != second {
            return None;
        }
        Some(Self {
            start,
            offset,
            packed: packed as u16 | kind,
        })
    }

    /// The row that says nothing of the code from `start` on.
    #[must_use]
    pub const fn unknown(start: u32) -> Self {
        Self {
            start,
            offset: 0,
            packed: UNKNOWN,
        }
    }

    /// The rule, [`Rule::Unknown`] where the row holds a kind that does not exist.
    #[inline]
    #[must_use]
    pub fn rule(self) -> Rule {
        let first = i32::from(self.offset) * 8;
        let second = i32::from(self.packed as i16 >> KIND_BITS) * 8;
        match self.packed & KIND_MASK {
            END => Rule::End,
            STACK => Rule::Stack {
                cfa: first,
                saved: second,
            },
            FRAME => Rule::Frame {
                cfa: first,
                saved: second,
            },
            INDIRECT => Rule::Indirect {
                cfa_at: first,
                saved_at: second,
            },
            SIGNAL => Rule::Signal,
            _ => Rule::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_packing() {
        for rule in [
            Rule::Unknown,
            Rule::End,
            Rule::Signal,
            Rule::Stack { cfa: 8, saved: 0 },
            Rule::Stack {
                cfa: 262_136,
                saved: -16,
            },
            Rule::Frame {
                cfa: 16,
                saved: -16,
            },
            Rule::Frame {
                cfa: -262_144,
                saved: 32_760,
            },
            Rule::Indirect {
                cfa_at: -8,
                saved_at: 0,
            },
            Rule::Indirect {
                cfa_at: -48,
                saved_at: -32_768,
            },
        ] {
            let row = Row::new(7, rule).expect("fits");
            assert_eq!((row.start, row.rule()), (7, rule));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Row::new(0, Rule::Stack { cfa: 12, saved: 0 }), None);
        assert_eq!(
            Row::new(
                0,
                Rule::Stack {
                    cfa: 262_144,
                    saved: 0
                }
            ),
            None
        );
        assert_eq!(
            Row::new(
                0,
                Rule::Frame {
                    cfa: 16,
                    saved: 32_768
                }
            ),
            None
        );
    }

    #[test]
    fn unheard_of_kinds_say_nothing() {
        let row = Row {
            start: 0,
            offset: 3,
            packed: 7,
        };
        assert_eq!(row.rule(), Rule::Unknown);
        assert_eq!(Row::unknown(3).rule(), Rule::Unknown);
    }
}
