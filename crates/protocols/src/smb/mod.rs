//! SMB message groups shared by everything that carries SMB.

use crate::{Ends, Group};

pub static SMB1: Group = Group { name: "smb1", ends: Ends::Pair, keys: &["command", "kind"] };
