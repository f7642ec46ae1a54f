//! Scheduled work over a case share: jobs, leases, publication.
