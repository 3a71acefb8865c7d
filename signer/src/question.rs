//! A question that is answered with yes or no.

use inquire::{Confirm, InquireError};

use crate::failure::{Failure, HostError};
use crate::surroundings::{Interaction, Surroundings};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Yes.
    Yes,
    /// No, which is what return alone means.
    No,
    /// Nobody could be asked.
    NobodyThere,
}

/// Asks a person, if there is one.
///
/// # Errors
///
/// [`Failure::Interrupted`], and when the terminal fails.
pub fn ask_for_consent(question: &str, surroundings: &Surroundings) -> Result<Reply, Failure> {
    if let Interaction::Impossible(_) = surroundings.interaction {
        return Ok(Reply::NobodyThere);
    }
    match Confirm::new(question).with_default(false).prompt() {
        Ok(true) => Ok(Reply::Yes),
        Ok(false) => Ok(Reply::No),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Err(Failure::Interrupted),
        Err(error) => Err(HostError::Prompt(error).into()),
    }
}
