//! Serialization of passwords and keys only inside state that is encrypted as a whole.
//!
//! - [`serialize`]: a field with `#[serde(serialize_with = "offhook_secret::serialize")]` is a secret. Every serializer
//!   reports an error for it, and so for each structure that contains it.
//! - [`InClear`]: serializes a structure with its secrets, for a caller that encrypts the result.
#![forbid(unsafe_code)]

mod clear;

pub use clear::InClear;

use serde::ser::{Error, SerializeStruct};
use serde::{Serialize, Serializer};

/// The structure as which a secret is serialized. [`InClear`] recognizes it and writes only the value.
const SECRET: &str = "offhook secret";
/// The first field of that structure, which cannot be serialized. [`InClear`] skips it.
const GUARD: &str = "guard";
/// The field with the value.
const VALUE: &str = "value";

/// The value of the field [`GUARD`]: an error for every serializer.
struct Guard;

impl Serialize for Guard {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(Error::custom("a secret is serialized only inside state that is encrypted as a whole"))
    }
}

/// Serializes a secret inside [`InClear`].
///
/// # Errors
///
/// With every other serializer.
pub fn serialize<T: Serialize + ?Sized, S: Serializer>(secret: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut guarded = serializer.serialize_struct(SECRET, 2)?;
    guarded.serialize_field(GUARD, &Guard)?;
    guarded.serialize_field(VALUE, secret)?;
    guarded.end()
}

#[cfg(test)]
mod tests;
