//! Bytes to frames and headers, and the capture file formats around them.
