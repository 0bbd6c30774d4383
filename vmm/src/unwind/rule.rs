//! One row of DWARF call frame information as a rule of the compact table.

use dangless_core::unwind::Rule;
use gimli::{
    CfaRule, EhFrame, Encoding, EndianSlice, LittleEndian, Operation, RegisterRule,
    UnwindExpression, UnwindTableRow, X86_64,
};

/// The reader that all of this module's DWARF types use.
pub type Reader<'d> = EndianSlice<'d, LittleEndian>;

/// How far below the CFA every x86-64 call leaves its return address.
const RETURN_ADDRESS: i64 = -8;

/// The rule of `row`; [`Rule::Unknown`] for what the compact table has no form for.
pub fn of_row<S>(
    row: &UnwindTableRow<usize, S>,
    section: &EhFrame<Reader<'_>>,
    encoding: Encoding,
) -> Rule
where
    S: gimli::UnwindContextStorage<usize>,
{
    match row.register(X86_64::RA) {
        Some(RegisterRule::Offset(RETURN_ADDRESS)) => {}
        None | Some(RegisterRule::Undefined) => return Rule::End,
        Some(_) => return Rule::Unknown,
    }
    let saved = row.register(X86_64::RBP);
    known(row.cfa(), saved, section, encoding).unwrap_or(Rule::Unknown)
}

fn known(
    cfa: &CfaRule<usize>,
    saved: Option<RegisterRule<usize>>,
    section: &EhFrame<Reader<'_>>,
    encoding: Encoding,
) -> Option<Rule> {
    match cfa {
        CfaRule::RegisterAndOffset { register, offset } => {
            let cfa = i32::try_from(*offset).ok()?;
            let saved = match saved {
                Some(RegisterRule::Offset(offset)) => i32::try_from(offset).ok()?,
                _ => 0,
            };
            match *register {
                X86_64::RSP => Some(Rule::Stack { cfa, saved }),
                X86_64::RBP => Some(Rule::Frame { cfa, saved }),
                _ => None,
            }
        }
        CfaRule::Expression(at) => {
            let Some(RegisterRule::Expression(saved_at)) = saved else {
                return None;
            };
            Some(Rule::Indirect {
                cfa_at: frame_offset(at, true, section, encoding)?,
                saved_at: frame_offset(&saved_at, false, section, encoding)?,
            })
        }
    }
}

/// The offset of an expression that says "frame pointer + offset", and then dereferences it if
/// `loaded`; `None` for any other expression.
fn frame_offset(
    expression: &UnwindExpression<usize>,
    loaded: bool,
    section: &EhFrame<Reader<'_>>,
    encoding: Encoding,
) -> Option<i32> {
    let mut operations = expression.get(section).ok()?.operations(encoding);
    let Some(Operation::RegisterOffset {
        register: X86_64::RBP,
        offset,
        ..
    }) = operations.next().ok()?
    else {
        return None;
    };
    if loaded {
        let Some(Operation::Deref { .. }) = operations.next().ok()? else {
            return None;
        };
    }
    match operations.next() {
        Ok(None) => i32::try_from(offset).ok(),
        _ => None,
    }
}
