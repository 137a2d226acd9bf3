//! The socket to init: whatever comes from it, in whatever pieces and with whatever descriptors, the host
//! reads each reply as it was sent, and keeps no descriptor but the one that belongs to it. What the host
//! sends can be taken apart again.

use crate::input::Input;
use cofferdam_spawn::fuzzing::{REPLY, reply, request};
use cofferdam_spawn::{Command, TerminalSize};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};
use std::ffi::CString;
use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

/// More than come with a reply.
const MOST: usize = 6;

/// One input: a command, then what comes from the socket.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    asked(&mut input);
    let before = open();
    answered(&mut input);
    assert_eq!(open(), before);
}

fn answered(input: &mut Input<'_>) {
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.expect("a pair");
    let null = File::open("/dev/null").expect("it is there");
    let mut sent = Vec::new();
    let mut excess = false;
    let mut pieces = 0;
    // Nobody reads before all is sent, and a socket holds only so many pieces however small they are: some 280.
    while !input.is_empty() && sent.len() < 16 * REPLY && pieces < 128 {
        pieces += 1;
        let with = input.pick(&[0, 0, 0, 1, 1, 4, MOST]);
        excess |= with == MOST;
        let mut piece = match input.bool() {
            true => input.bytes(REPLY).to_vec(),
            // A whole one, of which most is zero.
            false => {
                let mut whole = input.bytes(16).to_vec();
                whole.resize(REPLY, 0);
                whole
            }
        };
        // No descriptor goes without a byte.
        piece.push(0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [null.as_fd(); MOST];
        if with > 0 {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds[..with])));
        }
        let done = sendmsg(&theirs, &[IoSlice::new(&piece)], &mut control, SendFlags::empty());
        assert_eq!(done.expect("it fits"), piece.len());
        sent.extend(piece);
    }
    drop(theirs);
    let mut replies = sent.chunks_exact(REPLY);
    loop {
        match reply(ours.as_fd()) {
            Ok(Some(heard)) => {
                assert_eq!(Some(&heard.bytes[..]), replies.next());
                let ended = &heard.ended;
                assert!(ended.code.is_some() != ended.signal.is_some(), "{ended:?}");
                assert!(ended.code.is_none_or(|code| (0..256).contains(&code)));
                assert!(ended.signal.is_none_or(|signal| (1..128).contains(&signal)));
                assert!(!heard.refused.to_string().is_empty());
            }
            Ok(None) => return assert!(replies.next().is_none()),
            // More came along than the host has room for: it gives up.
            Err(_) => return assert!(excess),
        }
    }
}

/// What a command is sent as, read as init does: five numbers, then as many strings.
fn asked(input: &mut Input<'_>) {
    let string = |input: &mut Input<'_>| {
        let bytes: Vec<u8> = input.bytes(8).iter().copied().filter(|byte| *byte != 0).collect();
        CString::new(bytes).expect("no NUL")
    };
    let list = |input: &mut Input<'_>| -> Vec<CString> {
        (0..input.count(0..=3)).map(|_| string(input)).collect()
    };
    let command = Command {
        candidates: list(input),
        argv: list(input),
        envp: list(input),
        directory: CString::new(input.bytes(4).to_ascii_lowercase()).unwrap_or_default(),
        timeout: input.bool().then(|| Duration::from_micros(input.u64())),
        terminal: input.bool().then(|| TerminalSize { rows: 1, columns: 2 }),
    };
    let sent = request(&command);
    let number = |at: usize| {
        let bytes = sent[4 * at..][..4].try_into().expect("four bytes");
        u32::from_ne_bytes(bytes) as usize
    };
    let (length, counts) = (number(1), [number(2), number(3), number(4)]);
    assert_eq!(counts, [command.candidates.len(), command.argv.len(), command.envp.len()]);
    let strings = &sent[sent.len() - length..];
    assert!(strings.ends_with(&[0]));
    let read: Vec<&[u8]> = strings[..length - 1].split(|byte| *byte == 0).collect();
    let all = [std::slice::from_ref(&command.directory), &command.candidates, &command.argv, &command.envp];
    let wanted: Vec<&[u8]> = all.into_iter().flatten().map(|string| string.to_bytes()).collect();
    assert_eq!(read, wanted);
}

/// How many descriptors this process has.
fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("listed").count()
}
