//! Type identifications of IEC 60870-5-101 and -104 (7.2.1.1): name, meaning, size of an element.
//!
//! Not here: values, see [`super::values`]. Invariant: a type without a line is reserved; those
//! of makers have one line for all.

use model::OperationClass::{self, *};

/// A type of ASDU.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    pub name: &'static str,
    pub class: OperationClass,
    /// Octets of one element without its address; `None` where it varies.
    pub octets: Option<usize>,
    /// Sent by a controlling station, answered by mirror.
    pub command: bool,
}

const fn monitor(name: &'static str, octets: usize) -> Option<Type> {
    Some(Type { name, class: Report, octets: Some(octets), command: false })
}

const fn command(name: &'static str, class: OperationClass, octets: usize) -> Option<Type> {
    Some(Type { name, class, octets: Some(octets), command: true })
}

const fn varying(name: &'static str, class: OperationClass) -> Option<Type> {
    Some(Type { name, class, octets: None, command: false })
}

pub const fn of(kind: u8) -> Option<Type> {
    match kind {
        1..=41 | 70 => monitored(kind),
        45..=51 | 58..=64 => commanded(kind),
        81..=87 | 90..=95 => secured(kind),
        100..=113 => system(kind),
        120..=127 => file(kind),
        PRIVATE.. => varying("private", Other),
        _ => None,
    }
}

/// Types from here on are each maker's own (7.2.1.1).
const PRIVATE: u8 = 128;
/// And so are causes (7.2.3).
pub const CAUSES_PRIVATE: u8 = 48;

pub const fn is_private(kind: u8) -> bool {
    kind >= PRIVATE
}

const fn monitored(kind: u8) -> Option<Type> {
    match kind {
        1 => monitor("M_SP_NA_1", 1),
        2 => monitor("M_SP_TA_1", 4),
        3 => monitor("M_DP_NA_1", 1),
        4 => monitor("M_DP_TA_1", 4),
        5 => monitor("M_ST_NA_1", 2),
        6 => monitor("M_ST_TA_1", 5),
        7 => monitor("M_BO_NA_1", 5),
        8 => monitor("M_BO_TA_1", 8),
        9 => monitor("M_ME_NA_1", 3),
        10 => monitor("M_ME_TA_1", 6),
        11 => monitor("M_ME_NB_1", 3),
        12 => monitor("M_ME_TB_1", 6),
        13 => monitor("M_ME_NC_1", 5),
        14 => monitor("M_ME_TC_1", 8),
        15 => monitor("M_IT_NA_1", 5),
        16 => monitor("M_IT_TA_1", 8),
        17 => monitor("M_EP_TA_1", 6),
        18 => monitor("M_EP_TB_1", 7),
        19 => monitor("M_EP_TC_1", 7),
        20 => monitor("M_PS_NA_1", 5),
        21 => monitor("M_ME_ND_1", 2),
        30 => monitor("M_SP_TB_1", 8),
        31 => monitor("M_DP_TB_1", 8),
        32 => monitor("M_ST_TB_1", 9),
        33 => monitor("M_BO_TB_1", 12),
        34 => monitor("M_ME_TD_1", 10),
        35 => monitor("M_ME_TE_1", 10),
        36 => monitor("M_ME_TF_1", 12),
        37 => monitor("M_IT_TB_1", 12),
        38 => monitor("M_EP_TD_1", 10),
        39 => monitor("M_EP_TE_1", 11),
        40 => monitor("M_EP_TF_1", 11),
        41 => monitor("S_IT_TC_1", 14),
        70 => monitor("M_EI_NA_1", 1),
        _ => None,
    }
}

const fn commanded(kind: u8) -> Option<Type> {
    match kind {
        45 => command("C_SC_NA_1", Write, 1),
        46 => command("C_DC_NA_1", Write, 1),
        47 => command("C_RC_NA_1", Write, 1),
        48 => command("C_SE_NA_1", Write, 3),
        49 => command("C_SE_NB_1", Write, 3),
        50 => command("C_SE_NC_1", Write, 5),
        51 => command("C_BO_NA_1", Write, 4),
        58 => command("C_SC_TA_1", Write, 8),
        59 => command("C_DC_TA_1", Write, 8),
        60 => command("C_RC_TA_1", Write, 8),
        61 => command("C_SE_TA_1", Write, 10),
        62 => command("C_SE_TB_1", Write, 10),
        63 => command("C_SE_TC_1", Write, 12),
        64 => command("C_BO_TA_1", Write, 11),
        _ => None,
    }
}

/// Secure authentication (IEC 60870-5-7, IEC 62351-5).
const fn secured(kind: u8) -> Option<Type> {
    match kind {
        81 => varying("S_CH_NA_1", Authenticate),
        82 => varying("S_RP_NA_1", Authenticate),
        83 => varying("S_AR_NA_1", Authenticate),
        84 => varying("S_KR_NA_1", Authenticate),
        85 => varying("S_KS_NA_1", Authenticate),
        86 => varying("S_KC_NA_1", Authenticate),
        87 => varying("S_ER_NA_1", Authenticate),
        90 => varying("S_US_NA_1", Configure),
        91 => varying("S_UQ_NA_1", Authenticate),
        92 => varying("S_UR_NA_1", Authenticate),
        93 => varying("S_UK_NA_1", Authenticate),
        94 => varying("S_UA_NA_1", Authenticate),
        95 => varying("S_UC_NA_1", Authenticate),
        _ => None,
    }
}

const fn system(kind: u8) -> Option<Type> {
    match kind {
        100 => command("C_IC_NA_1", Read, 1),
        101 => command("C_CI_NA_1", Read, 1),
        102 => command("C_RD_NA_1", Read, 0),
        103 => command("C_CS_NA_1", TimeSync, 7),
        104 => command("C_TS_NA_1", Diagnose, 2),
        105 => command("C_RP_NA_1", Reset, 1),
        106 => command("C_CD_NA_1", Diagnose, 2),
        107 => command("C_TS_TA_1", Diagnose, 9),
        110 => command("P_ME_NA_1", Configure, 3),
        111 => command("P_ME_NB_1", Configure, 3),
        112 => command("P_ME_NC_1", Configure, 5),
        113 => command("P_AC_NA_1", Configure, 1),
        _ => None,
    }
}

const fn file(kind: u8) -> Option<Type> {
    match kind {
        120 => varying("F_FR_NA_1", File),
        121 => varying("F_SR_NA_1", File),
        122 => varying("F_SC_NA_1", File),
        123 => varying("F_LS_NA_1", File),
        124 => varying("F_AF_NA_1", File),
        125 => varying("F_SG_NA_1", File),
        126 => varying("F_DR_TA_1", File),
        127 => varying("F_SC_NB_1", File),
        _ => None,
    }
}

/// Causes of transmission (7.2.3).
pub const fn cause(cause: u8) -> Option<&'static str> {
    Some(match cause {
        1 => "periodic",
        2 => "background scan",
        3 => "spontaneous",
        4 => "initialised",
        5 => "requested",
        6 => "activation",
        7 => "activation confirmation",
        8 => "deactivation",
        9 => "deactivation confirmation",
        10 => "activation termination",
        11 => "remote command",
        12 => "local command",
        13 => "file transfer",
        14 => "authentication",
        15 => "session key",
        16 => "user role and update key",
        20 => "station interrogation",
        21..=36 => "group interrogation",
        37 => "counter interrogation",
        38..=41 => "group counter interrogation",
        44 => "unknown type",
        45 => "unknown cause",
        46 => "unknown common address",
        47 => "unknown object address",
        CAUSES_PRIVATE..=63 => "private",
        _ => return None,
    })
}
