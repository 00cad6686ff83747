//! Names of keys and parameter sets, beside what fixtures show.

use super::*;

#[test]
fn a_key_name_is_text_or_hexadecimal() {
    assert_eq!(key_name(b"line-4"), "line-4");
    assert_eq!(key_name(&[0x01, 0xab]), "01ab");
    assert_eq!(key_name(&[]), "");
}

#[test]
fn a_basic_parameter_set_shorter_than_it_says_is_refused() {
    let mut body = vec![3, 16, 0xf0, 32];
    body.extend([7; 32]);
    let agreement = Agreement::parse(&body).expect("whole");
    assert!(agreement.key_server && agreement.desired);
    assert_eq!((agreement.capability, agreement.key_name.as_str()), (3, "07070707"));
    assert!(Agreement::parse(&body[..body.len() - 1]).is_err());
    assert!(Agreement::parse(&[3, 16, 0xf0, 27]).is_err());
}
