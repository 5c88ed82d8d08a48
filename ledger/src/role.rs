//! The database roles a process may play.
//!
//! All are NOLOGIN and made by [`crate::migrate`]; a process logs in as a user of its own and takes its role with
//! `SET ROLE`. None of them may write the books, the orders, the payments or the units directly: those are written only
//! by the functions, which run as the owner.

/// Who a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The edge: sales, orders, payments begun, events stored.
    Gateway,
    /// The pools: events applied, clocks that ran out, jobs.
    Workers,
    /// Audits and reports.
    ReadOnly,
    /// Owns the schema: migrations and API keys.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Workers, Self::ReadOnly, Self::Owner];

    /// Its name in the cluster.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "onsale_gateway",
            Self::Workers => "onsale_workers",
            Self::ReadOnly => "onsale_readonly",
            Self::Owner => "onsale_owner",
        }
    }
}
