//! Bounds of one MQTT conversation.

/// Packets up to this size are read whole.
pub const WHOLE_OCTETS_MAX: usize = 64 * 1024;
/// Octets of a longer packet that are read; the rest of its payload is skipped.
pub const HEAD_OCTETS: usize = 4_096;
/// Topic aliases of both sides.
pub const ALIASES_MAX: usize = 1_024;
/// Names of Sparkplug metrics remembered by alias.
pub const METRIC_ALIASES_MAX: usize = 16_384;
/// Topics remembered so that counting them again costs nothing.
pub const TOPICS_MAX: usize = 4_096;
