//! Functions that an embedding application lends to plugins, each behind `custom:<area>:<action>`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use palisade_abi::GuestError;
use palisade_bundle::{Code, Permission, UnknownPermission};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use super::ServiceFuture;

/// What a function answers with: bytes, or an error for the guest.
type Answer = Result<Vec<u8>, GuestError>;

type Function = dyn Fn(Arc<str>, Vec<u8>) -> ServiceFuture<'static, Answer> + Send + Sync;

/// The functions of one host, by the permission they need.
///
/// # Examples
///
/// ```
/// use palisade::HostFunctions;
///
/// let functions = HostFunctions::default().register("billing:price", |plugin, article: String| async move {
///     println!("{plugin} asks for the price of {article}");
///     Ok(12.5)
/// })?;
/// assert!(functions.names().eq(["custom:billing:price"]));
/// # Ok::<(), palisade::UnknownPermission>(())
/// ```
#[derive(Clone, Default)]
pub struct HostFunctions(BTreeMap<Permission, Arc<Function>>);

impl HostFunctions {
    /// Adds a function under `area:action`; a plugin needs `custom:<area>:<action>` to call it.
    ///
    /// It is handed the id of the calling plugin, as the host knows it, and the input as JSON of type `In`; input that
    /// is no `In` is answered with `INVALID_ARGUMENT` without calling it. The future is dropped at the command's deadline.
    ///
    /// # Errors
    ///
    /// [`UnknownPermission`] when the name is not two words `[a-z][a-z0-9_-]{0,63}` with a colon between.
    pub fn register<In, Out, F, Fut>(mut self, name: &str, function: F) -> Result<Self, UnknownPermission>
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
        F: Fn(Arc<str>, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, GuestError>> + Send + 'static,
    {
        let permission = Self::permission(name)?;
        let function = Arc::new(function);
        let typed = move |caller: Arc<str>, input: Vec<u8>| -> ServiceFuture<'static, Answer> {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let input = if input.is_empty() { b"null".to_vec() } else { input };
                let input = serde_json::from_slice(&input).map_err(|error| misfit(Code::InvalidArgument, &error))?;
                let output = function(caller, input).await?;
                serde_json::to_vec(&output).map_err(|error| misfit(Code::InternalError, &error))
            })
        };
        self.0.insert(permission, Arc::new(typed));
        Ok(self)
    }

    /// The permissions that open a function.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Permission::as_str)
    }

    /// The permission that opens the function called `area:action`.
    pub(crate) fn permission(name: &str) -> Result<Permission, UnknownPermission> {
        Permission::parse(&format!("custom:{name}"))
    }

    pub(crate) fn holds(&self, permission: &Permission) -> bool {
        self.0.contains_key(permission)
    }

    /// Calls a function, unless there is none behind this permission.
    pub(crate) fn call(
        &self,
        permission: &Permission,
        caller: Arc<str>,
        input: Vec<u8>,
    ) -> Option<ServiceFuture<'static, Answer>> {
        self.0.get(permission).map(|function| function(caller, input))
    }
}

impl fmt::Debug for HostFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

fn misfit(code: Code, error: &serde_json::Error) -> GuestError {
    GuestError {
        code: code.as_str().to_owned(),
        message: format!("not the JSON that was expected: {error}"),
        details: Map::new(),
    }
}
