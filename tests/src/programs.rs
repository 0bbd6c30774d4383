//! Real programs.
use crate::settings::Settings;
use crate::store::BuildError;
use crate::suite::Case;
/// None yet.
///
/// # Errors
/// Never.
pub fn cases(_: &Settings) -> Result<Vec<Case>, BuildError> {
    Ok(Vec::new())
}
