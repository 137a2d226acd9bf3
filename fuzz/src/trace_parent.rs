//! `traceparent` headers: what is read is written in the form of version 00, and read as the same.

use cofferdam_audit::TraceParent;

/// One input.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let read = text.parse::<TraceParent>();
    assert_eq!(read.is_ok(), is_traceparent(bytes), "{text:?}");
    if let Ok(parent) = read {
        let written = parent.to_string();
        assert_eq!(written.parse(), Ok(parent));
        assert_eq!(written.len(), 55);
        assert_eq!(written[3..52], text[3..52], "{text:?}");
    }
}

/// W3C Trace Context, section 3.2, letter by letter.
fn is_traceparent(bytes: &[u8]) -> bool {
    let form = b"xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    let fits = |(given, form): (&u8, &u8)| match form {
        b'-' => *given == b'-',
        _ => matches!(given, b'0'..=b'9' | b'a'..=b'f'),
    };
    let Some((head, rest)) = bytes.split_at_checked(form.len()) else {
        return false;
    };
    let zero = |part: &[u8]| part.iter().all(|digit| *digit == b'0');
    let longer = rest.is_empty() || (!head.starts_with(b"00") && rest[0] == b'-');
    head.iter().zip(form).all(fits)
        && longer
        && !head.starts_with(b"ff")
        && !zero(&head[3..35])
        && !zero(&head[36..52])
}
