//! The management API of Palisade over HTTP.
