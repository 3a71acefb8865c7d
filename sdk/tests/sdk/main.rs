//! The SDK as a plugin author meets it: macros, dispatch, `Host`, `Reject`, descriptions.
#![expect(unreachable_pub, reason = "plugins are written as an author writes them")]

mod commands;
#[cfg(feature = "describe")]
mod descriptions;
mod header;
mod hooks;
mod imports;
mod macros;

use palisade_sdk::__private::{Answer, Call, Plugin};
use palisade_sdk::{Host, Reject};

/// Calls by name, as a host does.
fn call(plugin: &mut impl Plugin, host: &Host, name: &str, args: &str) -> Result<String, Reject> {
    let mut scratch = Vec::new();
    let answer = plugin.command(host, name.as_bytes(), Call::new(args.as_bytes(), &mut scratch))?;
    Ok(text(&answer))
}

fn text(answer: &Answer<'_>) -> String {
    let bytes = match answer {
        Answer::Nothing => &[],
        Answer::Borrowed(bytes) => *bytes,
        Answer::Owned(bytes) => bytes.as_slice(),
    };
    String::from_utf8_lossy(bytes).into_owned()
}
