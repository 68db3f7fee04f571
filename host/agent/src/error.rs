//! What can go wrong in a conversation with a guest agent.

use std::io;

/// Why a guest agent did not do something: a sentence without the domain's name.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The channel was closed.
    #[error("the channel to the guest agent was closed")]
    Closed,
    /// The channel does not work.
    #[error("the channel to the guest agent failed: {0}")]
    Channel(#[from] io::Error),
    /// Nothing, or not enough, came in time.
    #[error("the guest agent did not answer {command} within {seconds} s: it does not run, or is busy")]
    Silent {
        /// What it was asked.
        command: String,
        /// How long it had.
        seconds: u64,
    },
    /// The answer does not end.
    #[error("the guest agent answers {command} with more than {limit} bytes")]
    TooLong {
        /// What it was asked.
        command: String,
        /// What an answer may have.
        limit: usize,
    },
    /// The answer is not what the protocol says.
    #[error("the guest agent answers {command} with something else than its protocol says: {reason}")]
    Malformed {
        /// What it was asked.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The agent has no such command, or its administrator blocked it.
    #[error("the guest agent does not do {command}: {reason}")]
    Unknown {
        /// What it was asked.
        command: String,
        /// In its own words.
        reason: String,
    },
    /// The agent refused or failed.
    #[error("the guest agent could not do {command}: {reason}")]
    Refused {
        /// What it was asked.
        command: String,
        /// In its own words.
        reason: String,
    },
    /// What was asked for can't be asked.
    #[error("{0}")]
    Invalid(String),
}
