//! Whether tests run at full length. A test is not configured by anything else.

/// `ONSALE_SOAK=1` makes the large tests as large as they are meant to be; without it they are scaled down.
pub(crate) fn is_on() -> bool {
    std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1")
}
