//! Zip, cabinet and folder trees as named byte sources, with limits and probes.
