//! `sign`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use palisade_bundle::sign::sign;
use palisade_bundle::{Bundle, Envelope, KeyId, SignOptions};
use serde::Serialize;

use crate::failure::{Conclusion, Failure};
use crate::input::{Input, Kind};
use crate::key_file::read_signing_key;
use crate::moment::Moment;
use crate::output::{self, Audience, Existing};
use crate::passphrase::PassphraseOptions;
use crate::program::UsageError;
use crate::style;
use crate::surroundings::Surroundings;
use crate::terminal::{Answer, Terminal};

/// `sign`.
#[derive(Args, Debug)]
pub struct Sign {
    /// The bundle; - reads it from standard input
    bundle: Input,

    /// The private key to sign with
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseOptions,

    /// Keep the signatures that are there and add this one
    #[arg(long, conflicts_with_all = ["sequence", "created", "not_after"])]
    append: bool,

    /// Where to write the signed bundle [default: in place of BUNDLE]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Which of two releases is newer: the higher number [default: --created in Unix seconds]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,

    /// When the bundle was made [default: now]
    #[arg(long, value_name = "TIME")]
    created: Option<Moment>,

    /// The signature is no longer accepted after this time
    #[arg(long, value_name = "TIME")]
    not_after: Option<Moment>,
}

/// What `sign` and `build --sign` answer.
#[derive(Serialize)]
struct Signed {
    bundle: PathBuf,
    key_id: KeyId,
    digest: String,
}

impl Sign {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let output = match (&self.output, &self.bundle) {
            (Some(path), _) | (None, Input::File(path)) => path.clone(),
            (None, Input::Stdin) => {
                let message = "a bundle from standard input needs a place to go: -o FILE";
                return Err(UsageError::new("--output", message).into());
            }
        };
        let bundle = Bundle::open(self.bundle.read(Kind::BUNDLE)?)?;
        let key = read_signing_key(&self.key, &self.passphrase, surroundings)?;
        let created = self
            .created
            .map_or_else(|| surroundings.timestamp(), |Moment(time)| Ok(time))?;
        let not_after = self.not_after.map(|Moment(time)| time);
        // Releases made later rank higher unless their maker says otherwise.
        let sequence = self
            .sequence
            .unwrap_or_else(|| u64::try_from(created.unix_seconds()).unwrap_or(0));
        let options = SignOptions {
            created,
            not_after,
            sequence,
            append: self.append,
        };
        let signed = sign(&bundle, &key, &options)?;
        output::write(&output, &signed, Audience::Everyone, Existing::Replace)?;
        let signed = Bundle::open(signed)?;
        let identity = signed
            .envelope()
            .map_or_else(|| signed.file_digest(), Envelope::payload_digest);
        let digest = format!("sha256:{identity}");
        terminal.answer(&Signed {
            bundle: output,
            key_id: key.public().id(),
            digest,
        })?;
        Ok(Conclusion::Done)
    }
}

impl Answer for Signed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", style::good("signed"), self.bundle.display())?;
        writeln!(out, "  key     {}", self.key_id)?;
        writeln!(out, "  digest  {}", self.digest)
    }
}
