//! What a worker process answers: [`Answer`], and its form on the pipe.
//!
//! Eight fixed bytes, one for the kind, the length of what follows in eight bytes, least first, and that many bytes.
//! Anything else, and anything cut short, is no answer.

use std::io::{self, Read, Write};

use super::{Artifact, CompileError, MAX_ARTIFACT_BYTES, Refusal};

/// Tells an answer from whatever another program writes to its standard output; the digit is the version of the form.
const MAGIC: [u8; 8] = *b"palisad1";

/// Most bytes of a refusal. The engine's are a few lines; names from the module in them can be of any length.
const MAX_REFUSAL_BYTES: usize = 4 * 1024;

/// What came of a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Machine code.
    Code(Vec<u8>),
    /// The compiler refused it, and why.
    Refused(String),
    /// Memory ran out, and the compiler noticed.
    OutOfMemory,
    /// The machine code is larger than any host takes.
    TooLarge,
    /// The compiler crashed.
    Crashed,
}

impl Answer {
    /// What to tell the host; `Err` is a failure that the host cannot blame on the module.
    pub(super) fn to(compiled: Result<Artifact, CompileError>) -> Result<Self, CompileError> {
        match compiled {
            Ok(artifact) => Ok(Self::Code(artifact.into_bytes())),
            Err(CompileError::Refused(refusal)) => Ok(Self::Refused(refusal.to_string())),
            Err(CompileError::OutOfMemory { .. }) => Ok(Self::OutOfMemory),
            Err(CompileError::TooLarge { .. }) => Ok(Self::TooLarge),
            Err(CompileError::Crashed { .. }) => Ok(Self::Crashed),
            Err(
                error @ (CompileError::TimedOut { .. }
                | CompileError::TooManyJobs { .. }
                | CompileError::Worker(_)
                | CompileError::Unusable(_)
                | CompileError::Engine(_)),
            ) => Err(error),
        }
    }

    /// What the host makes of it.
    pub(super) fn into_result(self, memory_bytes: u64) -> Result<Artifact, CompileError> {
        match self {
            Self::Code(code) => Ok(Artifact::from_compiler(code)),
            Self::Refused(text) => Err(CompileError::Refused(Refusal::from_text(text))),
            Self::OutOfMemory => Err(CompileError::OutOfMemory {
                limit_bytes: Some(memory_bytes),
            }),
            Self::TooLarge => Err(CompileError::TooLarge {
                limit_bytes: MAX_ARTIFACT_BYTES,
            }),
            Self::Crashed => Err(CompileError::Crashed { signal: None }),
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (kind, content): (u8, &[u8]) = match self {
            Self::Code(code) => (0, code),
            Self::Refused(text) => (1, head(text.as_bytes())),
            Self::OutOfMemory => (2, &[]),
            Self::TooLarge => (3, &[]),
            Self::Crashed => (4, &[]),
        };
        out.write_all(&MAGIC)?;
        out.write_all(&[kind])?;
        out.write_all(&length(content).to_le_bytes())?;
        out.write_all(content)?;
        out.flush()
    }

    /// Reads an answer, and nothing after it.
    pub(super) fn read(input: &mut dyn Read) -> io::Result<Self> {
        let (mut magic, mut kind, mut length) = ([0; 8], [0; 1], [0; 8]);
        input.read_exact(&mut magic)?;
        input.read_exact(&mut kind)?;
        input.read_exact(&mut length)?;
        if magic != MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = u64::from_le_bytes(length);
        let mut content = |most: u64| exactly(input, length, most);
        match kind {
            [0] => Ok(Self::Code(content(MAX_ARTIFACT_BYTES)?)),
            [1] => {
                let text = content(u64::try_from(MAX_REFUSAL_BYTES).unwrap_or(u64::MAX))?;
                Ok(Self::Refused(String::from_utf8_lossy(&text).into_owned()))
            }
            [2] => Ok(Self::OutOfMemory),
            [3] => Ok(Self::TooLarge),
            [4] => Ok(Self::Crashed),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Reads `length` bytes. Room is made as they come, not on the word of eight bytes.
fn exactly(input: &mut dyn Read, length: u64, most: u64) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if self::length(&bytes) == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn head(text: &[u8]) -> &[u8] {
    text.get(..MAX_REFUSAL_BYTES).unwrap_or(text)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &Answer) -> Vec<u8> {
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_answer_is_read_as_it_was_written() {
        for answer in [
            Answer::Code(vec![1, 2, 3]),
            Answer::Refused("no such feature".to_owned()),
            Answer::OutOfMemory,
            Answer::TooLarge,
            Answer::Crashed,
        ] {
            assert_eq!(Answer::read(&mut &*written(&answer)).unwrap(), answer);
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        let whole = written(&Answer::Code(vec![7; 20]));
        for length in 0..whole.len() {
            assert!(Answer::read(&mut &whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_programs_words_are_no_answer() {
        for noise in [
            &b"Usage: compile [OPTIONS]\n and more\n"[..],
            &[0; 64],
            b"palisad0\0\0\0\0\0\0\0\0\0",
        ] {
            assert!(Answer::read(&mut &*noise).is_err());
        }
        let mut unknown = written(&Answer::TooLarge);
        unknown[8] = 9;
        assert!(Answer::read(&mut &*unknown).is_err());
    }

    #[test]
    fn a_length_past_the_bound_is_refused_before_anything_is_read() {
        let mut lies = written(&Answer::Code(Vec::new()));
        lies[9..17].copy_from_slice(&(MAX_ARTIFACT_BYTES + 1).to_le_bytes());
        let error = Answer::read(&mut &*lies).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_long_refusal_is_cut() {
        let answer = Answer::Refused("x".repeat(MAX_REFUSAL_BYTES + 1));
        let Answer::Refused(text) = Answer::read(&mut &*written(&answer)).unwrap() else {
            panic!("a refusal stays one");
        };
        assert_eq!(text.len(), MAX_REFUSAL_BYTES);
    }
}
