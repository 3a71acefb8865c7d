//! Every rule of the container profile: what it allows, what it refuses, and the near miss.

mod agreement;
mod data;
mod names;
mod structure;

use super::Archive;
use crate::testing::RawZip;

/// Opens the file and reads every entry; the stable word of the refusal.
fn verdict(bytes: &[u8]) -> Result<(), &'static str> {
    let archive = Archive::parse(bytes).map_err(|error| error.reason.as_str())?;
    for entry in archive.entries() {
        archive.read(entry).map_err(|error| error.reason.as_str())?;
    }
    Ok(())
}

#[track_caller]
fn allows(zip: &RawZip) {
    assert_eq!(verdict(&zip.build()), Ok(()));
}

#[track_caller]
fn refuses(zip: &RawZip, reason: &str) {
    assert_eq!(verdict(&zip.build()), Err(reason));
}

/// Changes an honest bundle and expects a refusal.
#[track_caller]
fn refuses_changed(reason: &str, change: impl Fn(&mut RawZip)) {
    let mut zip = RawZip::plugin();
    allows(&zip);
    change(&mut zip);
    refuses(&zip, reason);
}
