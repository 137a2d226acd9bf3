//! Messages to the gate's DNS: whatever they are, an answer is one and has their number.

use cofferdam_egress::dns::{MAX_REPLY, Query, frame, unframe};

/// One input.
pub fn check(message: &[u8]) {
    let replies = match Query::parse(message) {
        Ok(query) => {
            let addresses =
                ["198.18.0.2", "2001:2::2"].map(|text| text.parse().expect("an address"));
            let mut replies = vec![
                query.addresses(&addresses, 30),
                query.addresses(&[addresses[1]; 64], 30),
                query.no_data(),
                query.no_name(),
                query.failure(),
                query.refused(),
            ];
            replies.extend(query.local());
            replies
        }
        Err(malformed) => malformed.reply.into_iter().collect(),
    };
    for reply in replies {
        assert!(reply.len() <= MAX_REPLY && reply.len() >= 12);
        assert_eq!(reply[..2], message[..2]);
        assert!(reply[2] & 0x80 != 0);
        assert!(Query::parse(&reply).is_err_and(|malformed| malformed.reply.is_none()));
        assert_eq!(
            unframe(&frame(&reply)),
            Ok(Some((&reply[..], reply.len() + 2)))
        );
    }
    if let Ok(Some((message, taken))) = unframe(message) {
        assert_eq!(message.len() + 2, taken);
    }
}
