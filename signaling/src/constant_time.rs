//! Comparison of secrets in a time that does not tell where they differ.

/// Whether two secrets are the same. The lengths may show.
#[must_use]
pub fn equal(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_same_text_is_equal() {
        let table =
            [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("ab", "a", false)];
        for (one, other, equal) in table {
            assert_eq!(super::equal(one, other), equal, "{one:?} {other:?}");
        }
    }
}
