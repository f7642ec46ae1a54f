//! Builders of small, odd and broken inputs for tests, fuzzing and demos.
