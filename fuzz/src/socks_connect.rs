//! Greetings and requests of SOCKS5: what is whole is so without what follows, and no more is taken
//! than there is.

use cofferdam_egress::Host;
use cofferdam_egress::proxy::Parsed;
use cofferdam_egress::proxy::socks::{greeting, request};

/// One input.
pub fn check(bytes: &[u8]) {
    if let Ok(Parsed::Done { consumed, .. }) = greeting(bytes) {
        assert_eq!(greeting(&bytes[..consumed]), greeting(bytes));
        assert_eq!(greeting(&bytes[..consumed - 1]), Ok(Parsed::NeedMore));
    }
    if let Ok(Parsed::Done { value, consumed }) = request(bytes) {
        assert_eq!(request(&bytes[..consumed]), request(bytes));
        assert_eq!(request(&bytes[..consumed - 1]), Ok(Parsed::NeedMore));
        assert_eq!(Host::parse(&value.host.to_string()), Ok(value.host));
        assert!(value.port != 0);
    }
}
