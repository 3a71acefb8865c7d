//! Who needs whom among the installed plugins: what may be installed, started, stopped and replaced, and in which order.
//!
//! Everything here is a function of an [`Arrangement`], a picture of all plugins. The picture is taken and acted upon
//! under one lock of the host, so that of two operations that exclude each other one sees what the other has begun.

use std::collections::BTreeMap;
use std::sync::Arc;

use palisade_bundle::manifest::{Dependency, DependencyKind};
use palisade_bundle::{Blame, Code, Coded, Manifest, PluginId};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use semver::{Version, VersionReq};
use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::error::members;
use super::managed::Managed;
use super::state::State;

/// One plugin in the picture.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) manifest: Arc<Manifest>,
    /// What it is about to be, while it is replaced by another version.
    pub(super) becoming: Option<Arc<Manifest>>,
    pub(super) state: State,
}

/// All plugins at one moment, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrangement(BTreeMap<PluginId, Member>);

/// What a dependency has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Installed.
    Present,
    /// Taking commands.
    Running,
}

impl Arrangement {
    pub(super) fn of(plugins: &[Arc<Managed>]) -> Self {
        plugins.iter().map(|managed| managed.member()).collect()
    }

    /// Whether a plugin finds what it needs and nothing that it cannot live beside. What is there under its own id is
    /// its former self.
    pub(super) fn check_needs(&self, newcomer: &Manifest, wanted: Wanted) -> Result<(), DependencyError> {
        for dependency in &newcomer.dependencies {
            match dependency.kind {
                DependencyKind::Required => self.check_required(dependency, wanted)?,
                DependencyKind::Optional => {}
                DependencyKind::Conflict => self.check_conflict(dependency)?,
            }
        }
        self.check_conflicts_of_others(newcomer)?;
        self.check_circle(newcomer)
    }

    fn check_required(&self, dependency: &Dependency, wanted: Wanted) -> Result<(), DependencyError> {
        let missing = |state| DependencyError::Missing {
            dependency: dependency.id.clone(),
            required: dependency.version.clone(),
            state,
        };
        let member = self.0.get(&dependency.id).ok_or_else(|| missing(None))?;
        for version in member.versions() {
            if !dependency.version.matches(version) {
                return Err(DependencyError::Incompatible {
                    dependency: dependency.id.clone(),
                    required: dependency.version.clone(),
                    actual: version.clone(),
                });
            }
        }
        let is_there = match wanted {
            Wanted::Present => !matches!(member.state, State::Installing | State::Uninstalling),
            Wanted::Running => matches!(member.state, State::Active | State::Reloading),
        };
        match is_there {
            true => Ok(()),
            false => Err(missing(Some(member.state))),
        }
    }

    fn check_conflict(&self, dependency: &Dependency) -> Result<(), DependencyError> {
        let Some(member) = self.0.get(&dependency.id) else {
            return Ok(());
        };
        let excluded = member.versions().find(|version| dependency.version.matches(version));
        excluded.map_or(Ok(()), |version| {
            Err(DependencyError::Conflict {
                dependency: dependency.id.clone(),
                actual: version.clone(),
            })
        })
    }

    /// Whether somebody who is there cannot live beside the newcomer.
    fn check_conflicts_of_others(&self, newcomer: &Manifest) -> Result<(), DependencyError> {
        let excludes = |dependency: &Dependency| {
            dependency.kind == DependencyKind::Conflict
                && dependency.id == newcomer.id
                && dependency.version.matches(&newcomer.version)
        };
        let excluding = self
            .others(&newcomer.id)
            .find(|(_, member)| member.dependencies().any(excludes));
        excluding.map_or(Ok(()), |(id, member)| {
            Err(DependencyError::Conflict {
                dependency: id.clone(),
                actual: member.manifest.version.clone(),
            })
        })
    }

    /// Whether the newcomer would, through others, need itself.
    fn check_circle(&self, newcomer: &Manifest) -> Result<(), DependencyError> {
        let mut graph = DiGraphMap::<&PluginId, ()>::new();
        for (id, member) in self.others(&newcomer.id) {
            for dependency in member.dependencies().filter(is_required) {
                graph.add_edge(id, &dependency.id, ());
            }
        }
        for dependency in newcomer.dependencies.iter().filter(is_required) {
            graph.add_edge(&newcomer.id, &dependency.id, ());
        }
        let circles = tarjan_scc(&graph).into_iter();
        let circle = circles
            .filter(|ids| ids.len() > 1)
            .find(|ids| ids.contains(&&newcomer.id));
        circle.map_or(Ok(()), |ids| {
            let mut plugins: Vec<_> = ids.into_iter().cloned().collect();
            plugins.sort();
            Err(DependencyError::Cycle { plugins })
        })
    }

    /// Whether everybody who needs this plugin could live with another version of it.
    pub(super) fn check_replaceable(&self, newer: &Manifest) -> Result<(), DependencyError> {
        for (id, member) in self.others(&newer.id) {
            let needs = member.dependencies().filter(is_required);
            let mut unmet = needs.filter(|need| need.id == newer.id && !need.version.matches(&newer.version));
            if let Some(need) = unmet.next() {
                return Err(DependencyError::Unwanted {
                    dependent: id.clone(),
                    required: need.version.clone(),
                    actual: newer.version.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether a plugin may go: nobody who is there, or nobody who runs, needs it.
    pub(super) fn check_free(&self, id: &PluginId, wanted: Wanted) -> Result<(), DependencyError> {
        let counts = |state: State| match wanted {
            Wanted::Present => true,
            Wanted::Running => matches!(state, State::Loading | State::Active | State::Reloading),
        };
        let needs_it = |member: &Member| {
            let mut needs = member.dependencies().filter(is_required);
            needs.any(|need| need.id == *id)
        };
        let dependents = self
            .others(id)
            .filter(|(_, member)| counts(member.state) && needs_it(member));
        let dependents: Vec<_> = dependents.map(|(id, _)| id.clone()).collect();
        match dependents.is_empty() {
            true => Ok(()),
            false => Err(DependencyError::HasDependents { dependents }),
        }
    }

    /// Every plugin in ranks: whoever needs or uses another comes in a later rank than that one.
    pub(super) fn ranks(&self) -> Vec<Vec<PluginId>> {
        let mut graph = DiGraphMap::<&PluginId, ()>::new();
        for (id, member) in &self.0 {
            graph.add_node(id);
            let wished = member.dependencies().filter(|it| it.kind != DependencyKind::Conflict);
            for dependency in wished.filter(|it| self.0.contains_key(&it.id)) {
                graph.add_edge(id, &dependency.id, ());
            }
        }
        let mut ranks: Vec<Vec<PluginId>> = Vec::new();
        let mut rank_of = BTreeMap::new();
        // Whoever is needed comes first. Plugins that use each other in a circle, which only optional ones can, are of
        // the same rank.
        for circle in tarjan_scc(&graph) {
            let needed = circle.iter().flat_map(|id| graph.neighbors(id));
            let above = needed.filter_map(|id| rank_of.get(id)).max();
            let rank = above.map_or(0, |above: &usize| above + 1);
            for id in circle {
                rank_of.insert(id, rank);
            }
        }
        for (id, rank) in rank_of {
            ranks.resize_with(ranks.len().max(rank + 1), Vec::new);
            ranks.iter_mut().skip(rank).take(1).for_each(|ids| ids.push(id.clone()));
        }
        ranks
    }

    /// The picture for people and programs.
    pub(super) fn graph(&self) -> DependencyGraph {
        let edges = self.0.iter().flat_map(|(id, member)| {
            let edge = |dependency: &Dependency| DependencyEdge {
                plugin: id.to_string(),
                dependency: dependency.id.to_string(),
                version: dependency.version.to_string(),
                kind: dependency.kind,
                actual: self.0.get(&dependency.id).map(|it| it.manifest.version.to_string()),
            };
            member.manifest.dependencies.iter().map(edge)
        });
        DependencyGraph {
            order: self.ranks().into_iter().flatten().map(|id| id.to_string()).collect(),
            edges: edges.collect(),
        }
    }

    fn others(&self, id: &PluginId) -> impl Iterator<Item = (&PluginId, &Member)> {
        self.0.iter().filter(move |(other, _)| *other != id)
    }
}

impl FromIterator<Member> for Arrangement {
    fn from_iter<T: IntoIterator<Item = Member>>(members: T) -> Self {
        let by_id = members.into_iter().map(|member| (member.manifest.id.clone(), member));
        Self(by_id.collect())
    }
}

impl Member {
    /// What it is and what it is about to be.
    fn manifests(&self) -> impl Iterator<Item = &Arc<Manifest>> {
        std::iter::once(&self.manifest).chain(&self.becoming)
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        self.manifests().map(|manifest| &manifest.version)
    }

    fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.manifests().flat_map(|manifest| &manifest.dependencies)
    }
}

fn is_required(dependency: &&Dependency) -> bool {
    dependency.kind == DependencyKind::Required
}

/// Who needs whom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DependencyGraph {
    /// Every plugin, in the order in which they start; they stop in the other one.
    pub order: Vec<String>,
    /// What they say of each other.
    pub edges: Vec<DependencyEdge>,
}

/// What one plugin says of another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DependencyEdge {
    /// Who says so.
    pub plugin: String,
    /// Of whom.
    pub dependency: String,
    /// Of which of its versions.
    pub version: String,
    /// Whether it is needed, used, or excluded.
    pub kind: DependencyKind,
    /// The version that is installed, if one is.
    pub actual: Option<String>,
}

/// Plugins do not go together. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DependencyError {
    /// A needed plugin is not there, or does not run.
    #[error("it needs `{dependency}` {required}, which {}", so(*state))]
    Missing {
        /// Which plugin.
        dependency: PluginId,
        /// Which of its versions.
        required: VersionReq,
        /// Where it is, if it is there.
        state: Option<State>,
    },
    /// A needed plugin is there in another version.
    #[error("it needs `{dependency}` {required}, which is there as {actual}")]
    Incompatible {
        /// Which plugin.
        dependency: PluginId,
        /// Which of its versions.
        required: VersionReq,
        /// The version that is there.
        actual: Version,
    },
    /// A plugin that is there needs another version of this one.
    #[error("`{dependent}` needs {required} of it, and this is {actual}")]
    Unwanted {
        /// Which plugin.
        dependent: PluginId,
        /// Which version it needs.
        required: VersionReq,
        /// The version that was to be.
        actual: Version,
    },
    /// A plugin that is there and this one exclude each other.
    #[error("it cannot be beside `{dependency}` {actual}")]
    Conflict {
        /// Which plugin.
        dependency: PluginId,
        /// The version that is there.
        actual: Version,
    },
    /// Plugins would need each other in a circle, and none could start first.
    #[error("these need each other in a circle: {}", names(plugins))]
    Cycle {
        /// Which plugins.
        plugins: Vec<PluginId>,
    },
    /// Other plugins need this one.
    #[error("it is needed by {}", names(dependents))]
    HasDependents {
        /// Which plugins.
        dependents: Vec<PluginId>,
    },
}

fn so(state: Option<State>) -> String {
    state.map_or_else(|| "is not installed".to_owned(), |state| format!("is {state}"))
}

fn names(plugins: &[PluginId]) -> String {
    plugins.iter().map(PluginId::as_str).collect::<Vec<_>>().join(", ")
}

impl Coded for DependencyError {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => Code::DependencyMissing,
            Self::Incompatible { .. } | Self::Unwanted { .. } => Code::DependencyIncompatible,
            Self::Conflict { .. } => Code::DependencyConflict,
            Self::Cycle { .. } => Code::DependencyCycle,
            Self::HasDependents { .. } => Code::HasDependents,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Conflict
    }

    fn details(&self) -> Map<String, Value> {
        members(match self {
            Self::Missing {
                dependency,
                required,
                state,
            } => json!({"dependency": dependency, "required": required, "actual": state}),
            Self::Incompatible {
                dependency,
                required,
                actual,
            } => json!({"dependency": dependency, "required": required, "actual": actual}),
            Self::Unwanted {
                dependent,
                required,
                actual,
            } => json!({"dependent": dependent, "required": required, "actual": actual}),
            Self::Conflict { dependency, actual } => json!({"dependency": dependency, "actual": actual}),
            Self::Cycle { plugins } => json!({"plugins": plugins}),
            Self::HasDependents { dependents } => json!({"dependents": dependents}),
        })
    }

    fn help(&self) -> Vec<String> {
        vec![match self {
            Self::Missing { state: None, .. } => "install it first".to_owned(),
            Self::Missing { dependency, .. } => format!("start it first: palisade enable {dependency}"),
            Self::Incompatible { dependency, .. } => format!("replace it: palisade upgrade {dependency} FILE"),
            Self::Unwanted { dependent, .. } => format!("upgrade `{dependent}` first"),
            Self::Conflict { dependency, .. } => format!("remove one of them: palisade uninstall {dependency}"),
            Self::Cycle { .. } => "one of them has to do without, or make its dependency optional".to_owned(),
            Self::HasDependents { dependents } => format!("stop or remove first: {}", names(dependents)),
        }]
    }
}
