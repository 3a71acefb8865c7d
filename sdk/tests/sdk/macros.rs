//! What the macros accept, and the words with which they refuse the rest.

#[test]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/sdk/mistakes/*.rs");
}

#[test]
fn strict_crates_compile_without_a_warning() {
    trybuild::TestCases::new().pass("tests/sdk/accepted/*.rs");
}
