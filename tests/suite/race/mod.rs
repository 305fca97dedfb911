//! Crowds at the real doors.

mod never_oversells;
