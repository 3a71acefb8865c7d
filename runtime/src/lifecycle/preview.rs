//! The verb `preview_upgrade`: every check of an upgrade, and none of its effects.

use palisade_bundle::manifest::Difference;
use palisade_bundle::{Digest, Downgrade};
use serde::Serialize;

use super::change::{approve, beyond, upgraded};
use super::error::TransitionError;
use super::options::Approval;
use super::state::Operation;
use super::supervisor::Supervisor;

/// What an upgrade would come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UpgradePreview {
    /// Which plugin.
    pub id: String,
    /// Its active version.
    pub old_version: String,
    /// The version that would take its place.
    pub new_version: String,
    /// What the new one asks for beyond the old one and beyond what was granted already.
    pub difference: Difference,
    /// Whether somebody has to approve of that first.
    pub needs_approval: bool,
}

impl Supervisor {
    /// Checks another version as an upgrade would, down to compiling it, and changes nothing: nothing is told, written
    /// down or kept but the compiled code.
    ///
    /// # Errors
    ///
    /// As [`upgrade`](Self::upgrade), except that what has to be approved is told instead of refused. That the new version
    /// starts, nobody knows before it does.
    pub async fn preview_upgrade(
        &self,
        id: &str,
        bundle: Vec<u8>,
        downgrade: Downgrade,
    ) -> Result<UpgradePreview, TransitionError> {
        self.check_open()?;
        let view = self.host.find(id)?.view();
        Operation::Upgrade.check(view.state)?;
        let (row, file) = (view.row.clone(), Digest::of(&bundle));
        let (bundle, _record) = self.host.successor(&row, bundle, downgrade).await?;
        let newer = bundle.manifest();
        let difference = beyond(row.active.manifest.difference(newer), &row.grants);
        let preview = UpgradePreview {
            id: row.id.to_string(),
            old_version: row.active.version.clone(),
            new_version: newer.version.to_string(),
            needs_approval: !difference.asks_for_nothing_new(),
            difference,
        };
        let grants = approve(&row, newer, Approval::Given)?;
        let upgraded = upgraded(row, &bundle, file, grants);
        drop(self.host.prepare(bundle, upgraded).await?);
        Ok(preview)
    }
}
