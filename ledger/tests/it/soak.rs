//! Whether tests run at full length, and on which layout of the books. A test is not configured by anything else.

/// `ONSALE_SOAK=1` makes the large tests as large as they are meant to be; without it they are scaled down.
pub(crate) fn is_on() -> bool {
    std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1")
}

/// Set by a test that runs others on partitioned books.
pub(crate) const PARTITIONED: &str = "ONSALE_PARTITIONED";

/// Whether this run is such a one.
pub(crate) fn is_partitioned() -> bool {
    std::env::var_os(PARTITIONED).is_some_and(|value| value == "1")
}
